"""A mapping that the user chose, as words for a file that the user can edit. Knows no files.

Each canonical column is `NAME` or `NAME:HOW`, or empty where it is left empty. A name that itself ends in `:HOW` is
always followed by another `:HOW`. The marks of rows that must not be learnt are `marks`: `NAME` or `NAME:KIND` of each,
with commas between them, or a JSON list of these words where a name has a comma.
"""

from __future__ import annotations

import json
from collections.abc import Mapping as Record
from collections.abc import Sequence
from typing import get_args

from core.base.errors import UsageError
from core.base.row import FIELDS
from core.data.columns.mapping import ColumnMapping, ColumnPick, Extraction
from core.data.columns.marks import MarkKind, RowMark

_HOWS: dict[str, Extraction] = {how: how for how in get_args(Extraction)}


MARKS = "marks"
"""The key of the marks among the words of a mapping."""
_KINDS: dict[str, MarkKind] = {kind: kind for kind in get_args(MarkKind)}


def mapping_to_words(mapping: ColumnMapping) -> dict[str, str]:
    """The picks as words, by canonical column, and the marks where there are any."""
    words = {column: _word(mapping.picks[column]) for column in FIELDS if column in mapping.picks}
    return {**words, MARKS: marks_to_words(mapping.marks)} if mapping.marks else words


def marks_to_words(marks: Sequence[RowMark]) -> str:
    """The marks as words; empty where there are none."""
    words = [_mark_word(mark) for mark in marks]
    if any("," in word or word.startswith("[") or word.strip() != word or not word for word in words):
        return json.dumps(words, ensure_ascii=False)
    return ",".join(words)


def marks_from_words(words: str) -> tuple[RowMark, ...]:
    """The marks that such words describe; none for an empty text."""
    if words.startswith("["):
        try:
            listed = json.loads(words)
        except ValueError:
            listed = None
        if isinstance(listed, list) and all(isinstance(word, str) for word in listed):
            return tuple(_mark(word) for word in listed)
    return tuple(_mark(word.strip()) for word in words.split(",") if word.strip())


def _mark_word(mark: RowMark) -> str:
    name, _, kind = mark.column.rpartition(":")
    plain = mark.kind == "false" and not (name and kind in _KINDS)
    return mark.column if plain else f"{mark.column}:{mark.kind}"


def _mark(word: str) -> RowMark:
    name, _, kind = word.rpartition(":")
    return RowMark(name, _KINDS[kind]) if name and kind in _KINDS else RowMark(word)


def mapping_from_words(words: Record[str, str]) -> ColumnMapping:
    """The mapping that such words describe, as chosen by the user. Raises UsageError for a name that is none of the
    columns."""
    for column in words:
        if column not in (*FIELDS, MARKS):
            raise UsageError("this is not one of the columns", column, f"Name one of {', '.join((*FIELDS, MARKS))}")
    picks = {column: _pick(words[column]) for column in FIELDS if column in words}
    return ColumnMapping(picks, by_hand=True, marks=marks_from_words(words.get(MARKS, "")))


def _word(pick: ColumnPick) -> str:
    name, _, how = pick.column.rpartition(":")
    plain = pick.how == "text" and not (name and how in _HOWS)
    return pick.column if plain or not pick.column else f"{pick.column}:{pick.how}"


def _pick(word: str) -> ColumnPick:
    name, _, how = word.rpartition(":")
    if name and how in _HOWS:
        return ColumnPick(name, _HOWS[how], "chosen by hand")
    return ColumnPick(word, why="chosen by hand")
