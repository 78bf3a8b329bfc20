"""The possible filters and sort orders, and their meaning; the same for every row store."""

from __future__ import annotations

import re

from core.base.errors import DataError
from core.base.row import COLUMNS
from core.data.cell_text import replace_surrogates
from core.data.filters import RowFilters

_LENGTH = re.compile(r"length(?:\((\w+)\))?")


def checked_filters(filters: RowFilters) -> RowFilters:
    """The filters in normal form. Raises DataError for unknown columns.

    Text that the user pasted may have lone surrogates, which rows never have; filters without effect are reset to their
    defaults.
    """
    for column in filters.columns:
        if column not in COLUMNS:
            raise DataError(f"there is no column {column}", "", f"Columns are {', '.join(COLUMNS)}")
    sort_columns(filters.sort)
    text, where = replace_surrogates(filters.text), replace_surrogates(filters.where)
    return RowFilters(
        syslang=replace_surrogates(filters.syslang),
        sysflag=replace_surrogates(filters.sysflag),
        text=text,
        columns=filters.columns if text and set(filters.columns) != set(COLUMNS) else (),
        where=where if where.strip() else "",
        sort=filters.sort,
        descending=filters.descending and bool(filters.sort),
    )


def sort_columns(sort: str) -> tuple[str, tuple[str, ...]]:
    """The property that `RowFilters.sort` compares, `text` or `length`, and the columns.

    There are no columns for the order of the source. Raises DataError if `sort` is neither a column nor a length.
    """
    if not sort:
        return "text", ()
    if sort in COLUMNS:
        return "text", (sort,)
    length = _LENGTH.fullmatch(sort)
    if length and (length[1] is None or length[1] in COLUMNS):
        return "length", (length[1],) if length[1] else COLUMNS
    raise DataError(f"rows cannot be sorted by {sort}", "", f"Name {', '.join(COLUMNS)}, length or length(COLUMN)")
