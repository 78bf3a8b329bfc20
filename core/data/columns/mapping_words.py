"""A mapping that the user chose, as words for a file that the user can edit. Knows no files.

Each canonical column is `NAME` or `NAME:HOW`, or empty where it is left empty. A name that itself ends in `:HOW` is
always followed by another `:HOW`.
"""

from __future__ import annotations

from collections.abc import Mapping as Record
from typing import get_args

from core.base.errors import UsageError
from core.base.row import COLUMNS
from core.data.columns.mapping import ColumnMapping, ColumnPick, Extraction

_HOWS: dict[str, Extraction] = {how: how for how in get_args(Extraction)}


def mapping_to_words(mapping: ColumnMapping) -> dict[str, str]:
    """The picks as words, by canonical column."""
    return {column: _word(mapping.picks[column]) for column in COLUMNS if column in mapping.picks}


def mapping_from_words(words: Record[str, str]) -> ColumnMapping:
    """The mapping that such words describe, as chosen by the user. Raises UsageError for a name that is none of the six
    columns."""
    for column in words:
        if column not in COLUMNS:
            raise UsageError("this is not one of the six columns", column, f"Name one of {', '.join(COLUMNS)}")
    return ColumnMapping({column: _pick(words[column]) for column in COLUMNS if column in words}, by_hand=True)


def _word(pick: ColumnPick) -> str:
    name, _, how = pick.column.rpartition(":")
    plain = pick.how == "text" and not (name and how in _HOWS)
    return pick.column if plain or not pick.column else f"{pick.column}:{pick.how}"


def _pick(word: str) -> ColumnPick:
    name, _, how = word.rpartition(":")
    if name and how in _HOWS:
        return ColumnPick(name, _HOWS[how], "chosen by hand")
    return ColumnPick(word, why="chosen by hand")
