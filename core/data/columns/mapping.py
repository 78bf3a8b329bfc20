"""What each of the six columns is taken from. A mapping is data: it is shown, changed by one key a column, and saved.
Knows no format of files."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Record
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.base import files
from core.base.errors import DataError
from core.base.row import COLUMNS, OPTIONAL
from core.data.cells import cell
from core.data.columns.generations import as_list, best, mark_columns
from core.data.columns.thinking import cut
from core.data.columns.turns import Unreadable, read_chat

How = Literal[
    "text", "first", "think", "answer", "user", "earlier", "assistant", "assistant_think", "best_think", "best_answer"
]
"""How a column's value becomes text.

text: as it stands (`cells.cell`); first: the first element of a list. think, answer: the two sides of a text that carries its reasoning between
markers. user, earlier, assistant, assistant_think: of a list of chat turns the last question, what was said before it, the reply to it and that
reply's reasoning. best_think, best_answer: the two sides of the first generation that is marked correct and complete.
"""


class Pick(msgspec.Struct, frozen=True):
    """column: the source's name, empty where nothing fits; why: the reason for the choice, a few words, foreign text
    inside."""

    column: str
    how: How = "text"
    why: str = ""


class Mapping(msgspec.Struct, frozen=True):
    """picks: for each canonical column that has one its source; unclear: canonical columns a person should decide, with
    the candidates in order of likelihood (the first of them stands in `picks`); by_hand: whether a person chose any of
    it."""

    picks: dict[str, Pick] = {}
    unclear: dict[str, tuple[Pick, ...]] = {}
    by_hand: bool = False

    @property
    def plain(self) -> bool:
        """Whether every column is taken as it stands: readers then need not look at single records."""
        return all(pick.how == "text" for pick in self.picks.values())

    @property
    def columns(self) -> tuple[str, ...]:
        """The canonical columns that are taken from somewhere, in their order."""
        return tuple(column for column in COLUMNS if self.source(column))

    def source(self, column: str) -> str:
        """The source's name that the canonical `column` is taken from, empty where there is none."""
        pick = self.picks.get(column)
        return pick.column if pick is not None else ""

    def with_pick(self, column: str, pick: Pick) -> Mapping:
        """The mapping after a person chose `pick` for the canonical `column`; `Pick("")` leaves it empty."""
        unclear = {name: picks for name, picks in self.unclear.items() if name != column}
        return Mapping({**self.picks, column: pick}, unclear, by_hand=True)


def lacking(missing: Sequence[str]) -> str:
    """The problem of a row without the required columns `missing`, or, where none is missing, with nothing in them."""
    if not missing:
        return "instruction and output are both empty"
    return f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing or null"


def blank(instruction: str, output: str) -> bool:
    """Whether a row says nothing: neither a question nor an answer."""
    return not (instruction.strip() or output.strip())


def read_row(mapping: Mapping, record: Record[str, Any]) -> list[str] | str:
    """The six texts of one record, in the order of `COLUMNS`, or what is wrong with it, in words. For many records make
    a `RowReader` once."""
    reader = RowReader(mapping, tuple(record))
    return reader.read([record.get(name) for name in reader.sources])


class _Gap(str):
    """Why there is no value, for a problem; in an optional column it is an empty text."""

    __slots__ = ()


_View = Callable[[Sequence[Any]], Sequence[str | None]]
_NO_QUESTION, _NO_REPLY = _Gap("no user asks anything in its chat turns"), _Gap("there is no reply in its chat turns")
_UNCLOSED = _Gap("its reasoning is never closed, so that no answer follows")
_PARTS: dict[How, tuple[str, int]] = {
    "text": ("text", 0), "first": ("first", 0), "think": ("cut", 0), "answer": ("cut", 1),
    "user": ("chat", 0), "earlier": ("chat", 1), "assistant": ("chat", 2), "assistant_think": ("chat", 3),
    "best_think": ("best", 0), "best_answer": ("best", 1),
}  # fmt: skip


class RowReader:
    """Reads records by a mapping. `sources`: the columns whose values `read` wants, each once; `names`: all of the
    source, where marks are sought."""

    def __init__(self, mapping: Mapping, names: Sequence[str]) -> None:
        self.sources: list[str] = []
        self._views: list[_View] = []
        self._parts: list[
            tuple[int, int]
        ] = []  # for each canonical column the view and the part of it; a view of -1 gives an empty text
        known: dict[tuple[str, str], int] = {}
        replied = {pick.column for pick in mapping.picks.values() if pick.how in ("assistant", "assistant_think")}
        for column in COLUMNS:
            pick = mapping.picks.get(column)
            if pick is None or not pick.column:
                self._parts.append((-1, 0))
                continue
            kind, part = _PARTS[pick.how]
            if (kind, pick.column) not in known:
                known[kind, pick.column] = len(self._views)
                self._views.append(self._view(kind, pick.column, names, pick.column in replied))
            self._parts.append((known[kind, pick.column], part))
        self._required = [(COLUMNS.index(column), column) for column in COLUMNS if column not in OPTIONAL]

    def _place(self, name: str) -> int:
        if name not in self.sources:
            self.sources.append(name)
        return self.sources.index(name)

    def _view(self, kind: str, name: str, names: Sequence[str], replied: bool) -> _View:
        place = self._place(name)
        if kind == "cut":
            return lambda values: _cut(values[place])
        if kind == "first":
            return lambda values: (_first(values[place]),)
        if kind == "chat":
            return lambda values: _chat(values[place], replied)
        if kind == "best":
            correct, complete = ([self._place(mark) for mark in marks] for marks in mark_columns(names))
            return lambda values: _cut(best(values[place], [values[i] for i in correct], [values[i] for i in complete]))
        return lambda values: (_text(values[place]),)

    def read(self, values: Sequence[Any]) -> list[str] | str:
        """The six texts of the values of `sources`, or what is wrong with them. None stands for a value that is missing
        or null."""
        try:
            views = [view(values) for view in self._views]
        except Unreadable as error:
            return str(error)
        except RecursionError:
            return "a cell is nested too deeply"
        row = [views[view][part] if view >= 0 else "" for view, part in self._parts]
        for place, _ in self._required:
            if type(row[place]) is not str or self._parts[place][0] < 0:
                return self._without(row)
        texts = [value if type(value) is str else "" for value in row]
        return lacking([]) if blank(texts[0], texts[3]) else texts

    def _without(self, row: Sequence[str | None]) -> str:
        """What is said of a row that lacks a required column."""
        missing = [column for place, column in self._required if row[place] is None or self._parts[place][0] < 0]
        return (
            lacking(missing)
            if missing
            else next(str(row[place]) for place, _ in self._required if type(row[place]) is _Gap)
        )


def _text(value: Any) -> str | None:
    return None if value is None else cell(value)


def _first(value: Any) -> str | None:
    items = as_list(value)
    if items is None:
        return _text(value)
    return _text(items[0]) if items else None


def _cut(value: Any) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    text = cell(value)
    sides = cut(text)
    if sides is None:
        return "", text
    return sides.reasoning, sides.answer if sides.answer is not None else _UNCLOSED


def _chat(value: Any, replied: bool) -> tuple[str | None, str, str | None, str]:
    if value is None:
        return None, "", None, ""
    chat = read_chat(value, replied)
    question = _NO_QUESTION if chat.question is None else chat.question
    reply = _UNCLOSED if not chat.closed else _NO_REPLY if chat.reply is None else chat.reply
    return question, chat.earlier, reply, chat.reasoning


def save_mapping(mapping: Mapping, path: Path) -> None:
    """Keep it as JSON, replaced atomically; the folder must be there. Raises OSError where it cannot be kept."""
    try:
        content = msgspec.json.format(msgspec.json.encode(mapping), indent=1)
    except UnicodeEncodeError as error:
        raise OSError(errno.EILSEQ, "a column's name is no UTF-8", str(path)) from error
    files.replace_file(path, content + b"\n")


def load_mapping(path: Path) -> Mapping | None:
    """What `save_mapping` kept, or None where there is none. Raises DataError where it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Mapping)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        do = "Remove this file: the columns are then guessed anew"
        raise DataError(f"the saved column mapping cannot be read ({reason})", str(path), do) from error
