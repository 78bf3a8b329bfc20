"""Finds, counts and iterates over stored rows, for data sets.

Rows of an Arrow file are searched column by column (`search_arrow`), all others row by row (`search_rows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.base.row import Row
from core.data.filters import RowFilters
from core.data.search import search_rows
from core.data.search.running_queries import QueryTicket, RunningQueries
from core.data.storage.row_store import RowStore


def find_rows(store: RowStore, filters: RowFilters, ticket: QueryTicket) -> Iterator[tuple[float, Sequence[int]]]:
    """Indices of the rows that pass the checked `filters`, in order, as pairs of (share, indices).

    The share of the rows that were searched grows from pair to pair; the last is 1.0. Sorted rows come in one pair.
    Raises DataError if a condition is wrong, QueryInterrupted if the query is cancelled.
    """
    from core.data.storage.arrow_rows import ArrowRows

    if isinstance(store, ArrowRows):
        from core.data.search import search_arrow

        yield from search_arrow.find_rows(store, filters, ticket)
    else:
        yield 1.0, search_rows.find_rows(store, filters, ticket)


def count_values(store: RowStore, column: str) -> dict[str, int]:
    """How many rows have each text of `column`."""
    from core.data.storage.arrow_rows import ArrowRows

    if isinstance(store, ArrowRows):
        from core.data.search import search_arrow

        return search_arrow.count_values(store, column)
    return search_rows.count_values(store, column)


def count_empty_reasoning(store: RowStore, sysflag: str) -> int:
    """How many rows have no reasoning, or only white space; only rows with `sysflag`, if it is not empty."""
    from core.data.storage.arrow_rows import ArrowRows

    if isinstance(store, ArrowRows):
        from core.data.search import search_arrow

        return search_arrow.count_empty_reasoning(store, sysflag)
    return search_rows.count_empty_reasoning(store, sysflag)


def row_batches(store: RowStore, sysflag: str, size: int) -> Iterator[list[Row]]:
    """All rows in order, at most `size` at a time; only those with `sysflag`, if it is not empty."""
    indices = store.order()
    if sysflag:
        for _, sysflag_indices in find_rows(store, RowFilters(sysflag=sysflag), RunningQueries().ticket()):
            indices = sysflag_indices
    for first in range(0, len(indices), size):
        yield store.take(indices[first : first + size])
