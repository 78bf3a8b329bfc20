"""The filters and the order of the rows that a user wants to see."""

from __future__ import annotations

import msgspec


class RowFilters(msgspec.Struct, frozen=True):
    """Which rows of a data set to show, and in which order. The default shows all rows in the order of the source."""

    syslang: str = ""
    """Only rows with exactly this syslang; empty for all."""
    sysflag: str = ""
    """Only rows with exactly this sysflag; empty for all."""
    text: str = ""
    """Only rows that contain this text, ignoring case; empty for all."""
    columns: tuple[str, ...] = ()
    """The columns to search for `text`; empty for all six."""
    where: str = ""
    """An SQL condition over the six columns and `row`, the row's index; empty for none."""
    sort: str = ""
    """A column name, `length` (characters of all texts) or `length(COLUMN)`; empty for the order of the source."""
    descending: bool = False
    """Whether to sort from high to low."""
