"""Search and counts row by row, for rows in memory. Imports NumPy and pyarrow only for an SQL condition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from core.base.row import COLUMNS, Row
from core.data.filters import RowFilters
from core.data.search.filter_rules import sort_columns
from core.data.search.running_queries import QueryTicket
from core.data.search.text_patterns import python_pattern
from core.data.storage.row_store import RowStore


def find_rows(store: RowStore, filters: RowFilters, ticket: QueryTicket) -> Sequence[int]:
    """Indices of the rows that pass the checked `filters`, in order. Raises DataError, QueryInterrupted."""
    rows = _all_rows(store)
    if filters.where:
        from core.data.search.sql import rows_where

        passed = set(rows_where(store, filters.where, ticket).tolist())
        rows = [row for row in rows if row.index in passed]
    if filters.syslang:
        rows = [row for row in rows if row.syslang == filters.syslang]
    if filters.sysflag:
        rows = [row for row in rows if row.sysflag == filters.sysflag]
    if filters.text:
        pattern = python_pattern(filters.text)
        columns = filters.columns or COLUMNS
        rows = [row for row in rows if any(pattern.search(getattr(row, column)) for column in columns)]
    ticket.check()
    compare, sorted_by = sort_columns(filters.sort)
    if sorted_by and compare == "text":
        rows = sorted(rows, key=lambda row: getattr(row, sorted_by[0]), reverse=filters.descending)
    elif sorted_by:

        def length(row: Row) -> int:
            return sum(len(getattr(row, column)) for column in sorted_by)

        rows = sorted(rows, key=length, reverse=filters.descending)
    return [row.index for row in rows]


def count_values(store: RowStore, column: str) -> dict[str, int]:
    """How many rows have each text of `column`."""
    return dict(Counter(getattr(row, column) for row in _all_rows(store)))


def count_empty_reasoning(store: RowStore, sysflag: str) -> int:
    """How many rows have no reasoning, or only white space; only rows with `sysflag`, if it is not empty."""
    rows = _all_rows(store)
    return sum(not row.has_reasoning for row in rows if not sysflag or row.sysflag == sysflag)


def _all_rows(store: RowStore) -> list[Row]:
    return store.take(store.order())
