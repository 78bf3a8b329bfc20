"""Which rows a person wants to see, and in which order."""

from __future__ import annotations

import msgspec


class Filters(msgspec.Struct, frozen=True):
    """What the data screen shows, and in which order: empty means all, in the order of the source.

    columns: where `text` is sought, empty for all six; where: an SQL condition over the six columns and `row`, the
    row's index; sort: a column's name, `length` for the characters of a whole row, or `length(COLUMN)`.
    """

    syslang: str = ""
    sysflag: str = ""
    text: str = ""
    columns: tuple[str, ...] = ()
    where: str = ""
    sort: str = ""
    descending: bool = False
