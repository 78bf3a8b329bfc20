"""A mapping that a person chose, as words: for a file that people write. Knows no files itself.

Each canonical column is `NAME` or `NAME:HOW`; empty for one that is left empty. A name whose last part is itself a way
is always followed by its own.
"""

from __future__ import annotations

from collections.abc import Mapping as Record
from typing import get_args

from core.base.errors import UsageError
from core.base.row import COLUMNS
from core.data.columns.mapping import How, Mapping, Pick

_WAYS: dict[str, How] = {way: way for way in get_args(How)}


def written(mapping: Mapping) -> dict[str, str]:
    """The picks as words, by canonical column."""
    return {column: _word(mapping.picks[column]) for column in COLUMNS if column in mapping.picks}


def mapping_of(words: Record[str, str]) -> Mapping:
    """The mapping that `written` wrote, as chosen by hand. Raises UsageError, whose `where` is the word that names none
    of the six columns."""
    for column in words:
        if column not in COLUMNS:
            raise UsageError("this is none of the six columns", column, f"Name one of {', '.join(COLUMNS)}")
    return Mapping({column: _pick(words[column]) for column in COLUMNS if column in words}, by_hand=True)


def _word(pick: Pick) -> str:
    name, _, way = pick.column.rpartition(":")
    plain = pick.how == "text" and not (name and way in _WAYS)
    return pick.column if plain or not pick.column else f"{pick.column}:{pick.how}"


def _pick(word: str) -> Pick:
    name, _, way = word.rpartition(":")
    return Pick(name, _WAYS[way], "chosen by hand") if name and way in _WAYS else Pick(word, why="chosen by hand")
