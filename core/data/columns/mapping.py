"""The mapping: which source column each of the six columns is taken from. Knows no file format.

A mapping is data: it is shown, changed column by column, and saved.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Record
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.base import files
from core.base.errors import DataError
from core.base.row import FIELDS, OPTIONAL, is_blank
from core.data.cell_text import cell_text
from core.data.columns.generations import as_list, best_generation, mark_columns
from core.data.columns.thinking import split_thinking
from core.data.columns.turns import UnreadableTurns, read_chat

Extraction = Literal[
    "text", "first", "think", "answer", "user", "earlier", "assistant", "assistant_think", "best_think", "best_answer"
]
"""How a column's value becomes text.

text: unchanged (`cells.cell_text`); first: the first element of a list; think, answer: the reasoning between the
markers of a text, and the rest; user, earlier, assistant, assistant_think: from a list of chat turns, the last
question, the turns before it, the reply to it, and the reasoning of the reply; best_think, best_answer: reasoning and
answer of the first generation that is marked as correct and complete.
"""


class ColumnPick(msgspec.Struct, frozen=True):
    """The source of one canonical column."""

    column: str
    """The source's column, foreign text; empty where the canonical column is left empty."""
    how: Extraction = "text"
    """How its value becomes text."""
    why: str = ""
    """The reason for the choice in a few words, which may quote foreign text."""


class ColumnMapping(msgspec.Struct, frozen=True):
    """Which columns of a source the canonical columns are taken from."""

    picks: dict[str, ColumnPick] = {}
    """The picks by canonical column; a column without a source may be missing."""
    unclear: dict[str, tuple[ColumnPick, ...]] = {}
    """Canonical columns that the user should decide on, with the candidates in order of likelihood; the first is in
    `picks`."""
    by_hand: bool = False
    """Whether the user chose any of the picks."""

    @property
    def plain(self) -> bool:
        """Whether every column is taken unchanged, so that readers need not look at single records."""
        return all(pick.how == "text" for pick in self.picks.values())

    @property
    def columns(self) -> tuple[str, ...]:
        """The canonical columns that have a source, in their order."""
        return tuple(column for column in FIELDS if self.source(column))

    def source(self, column: str) -> str:
        """The source's column that the canonical `column` is taken from; empty where there is none."""
        pick = self.picks.get(column)
        return pick.column if pick is not None else ""

    def with_pick(self, column: str, pick: ColumnPick) -> ColumnMapping:
        """The mapping after the user chose `pick` for the canonical `column`; `ColumnPick("")` leaves it empty."""
        unclear = {name: picks for name, picks in self.unclear.items() if name != column}
        return ColumnMapping({**self.picks, column: pick}, unclear, by_hand=True)


def explain_missing(missing: Sequence[str]) -> str:
    """The fault of a row that lacks the required columns `missing`, or that has them all blank where none is
    missing."""
    if not missing:
        return "instruction and output are both empty"
    return f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing or null"


def is_blank_row(instruction: str, output: str) -> bool:
    """Whether a row has neither a question nor an answer."""
    return is_blank(instruction) and is_blank(output)


def read_row(mapping: ColumnMapping, record: Record[str, Any]) -> list[str] | str:
    """The texts of one record, in the order of `FIELDS`, or its fault. For many records, make one `RowReader`."""
    reader = RowReader(mapping, tuple(record))
    return reader.read([record.get(name) for name in reader.sources])


class LeftOut(str):
    """Why a row is left out: a mark in the source says that it must not be learnt."""

    __slots__ = ()


class _NoValue(str):
    """Why there is no value: the problem of a row, or, in an optional column, an empty text."""

    __slots__ = ()


_View = Callable[[Sequence[Any]], Sequence[str | None]]
_NO_QUESTION = _NoValue("its chat turns have no question of a user")
_NO_REPLY = _NoValue("its chat turns have no reply")
_UNCLOSED = _NoValue("its reasoning never ends, so there is no answer")
_PARTS: dict[Extraction, tuple[str, int]] = {
    "text": ("text", 0), "first": ("first", 0), "think": ("cut", 0), "answer": ("cut", 1),
    "user": ("chat", 0), "earlier": ("chat", 1), "assistant": ("chat", 2), "assistant_think": ("chat", 3),
    "best_think": ("best", 0), "best_answer": ("best", 1),
}  # fmt: skip


class RowReader:
    """Reads records with a mapping.

    `sources` are the columns whose values `read` takes, each once. names: all columns of the source, some of which may
    mark generations as correct or complete.
    """

    def __init__(self, mapping: ColumnMapping, names: Sequence[str]) -> None:
        self.sources: list[str] = []
        self.unused_parts: list[str] = []
        """Parts of the row read last that no text holds, such as `turns after the answer`."""
        self._views: list[_View] = []
        # for each canonical column, its view and the part of that; -1 for an empty text
        self._parts: list[tuple[int, int]] = []
        known: dict[tuple[str, str], int] = {}
        replied = {pick.column for pick in mapping.picks.values() if pick.how in ("assistant", "assistant_think")}
        for column in FIELDS:
            pick = mapping.picks.get(column)
            if pick is None or not pick.column:
                self._parts.append((-1, 0))
                continue
            kind, part = _PARTS[pick.how]
            if (kind, pick.column) not in known:
                known[kind, pick.column] = len(self._views)
                self._views.append(self._view(kind, pick.column, names, pick.column in replied))
            self._parts.append((known[kind, pick.column], part))
        self._required = [(FIELDS.index(column), column) for column in FIELDS if column not in OPTIONAL]

    def _position(self, name: str) -> int:
        if name not in self.sources:
            self.sources.append(name)
        return self.sources.index(name)

    def _view(self, kind: str, name: str, names: Sequence[str], replied: bool) -> _View:
        position = self._position(name)
        if kind == "cut":
            return lambda values: _cut(values[position])
        if kind == "first":
            return lambda values: (_first(values[position]),)
        if kind == "chat":
            return lambda values: _chat(values[position], replied)
        if kind == "best":
            correct, complete = ([self._position(mark) for mark in marks] for marks in mark_columns(names))
            return lambda values: _cut(
                best_generation(values[position], [values[i] for i in correct], [values[i] for i in complete])
            )
        return lambda values: (_text(values[position]),)

    def read(self, values: Sequence[Any]) -> list[str] | str:
        """The texts, in the order of `FIELDS`, made of the values of `sources`, or the row's fault: a `LeftOut`
        where the source marks it as not to be learnt. A missing or null value is None."""
        self.unused_parts.clear()
        try:
            views = [view(values) for view in self._views]
        except UnreadableTurns as error:
            return str(error)
        except RecursionError:
            return "a cell is nested too deeply"
        row = [views[view][part] if view >= 0 else "" for view, part in self._parts]
        for index, _ in self._required:
            if type(row[index]) is not str or self._parts[index][0] < 0:
                return self._explain(row)
        texts = [value if type(value) is str else "" for value in row]
        return explain_missing([]) if is_blank_row(texts[0], texts[3]) else texts

    def _explain(self, row: Sequence[str | None]) -> str:
        """The fault of a row that lacks a required column."""
        missing = [column for index, column in self._required if row[index] is None or self._parts[index][0] < 0]
        if missing:
            return explain_missing(missing)
        return next(str(row[index]) for index, _ in self._required if type(row[index]) is _NoValue)


def _text(value: Any) -> str | None:
    return None if value is None else cell_text(value)


def _first(value: Any) -> str | None:
    items = as_list(value)
    if items is None:
        return _text(value)
    return _text(items[0]) if items else None


def _cut(value: Any) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    text = cell_text(value)
    sides = split_thinking(text)
    if sides is None:
        return "", text
    return sides.reasoning, sides.answer if sides.answer is not None else _UNCLOSED


def _chat(value: Any, replied: bool) -> tuple[str | None, str, str | None, str]:
    if value is None:
        return None, "", None, ""
    chat = read_chat(value, replied)
    question = _NO_QUESTION if chat.question is None else chat.question
    reply = _NO_REPLY if chat.reply is None else chat.reply
    if not chat.closed:
        reply = _UNCLOSED
    return question, chat.earlier, reply, chat.reasoning


def save_mapping(mapping: ColumnMapping, path: Path) -> None:
    """Save the mapping as JSON, replaced atomically; the folder must exist. Raises OSError."""
    try:
        content = msgspec.json.format(msgspec.json.encode(mapping), indent=1)
    except UnicodeEncodeError as error:
        raise OSError(errno.EILSEQ, "a column's name is not UTF-8", str(path)) from error
    files.replace_file(path, content + b"\n")


def load_mapping(path: Path) -> ColumnMapping | None:
    """The mapping that `save_mapping` saved; None where there is none. Raises DataError where it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ColumnMapping)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        do = "Remove this file, so that the columns are guessed again"
        raise DataError(f"the saved column mapping cannot be read ({reason})", str(path), do) from error
