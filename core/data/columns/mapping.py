"""The mapping: which source column each of the six columns is taken from. Knows no file format.

A mapping is data: it is shown, changed column by column, and saved.
"""

from __future__ import annotations

import errno
from collections.abc import Container, Sequence
from collections.abc import Mapping as Record
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.base import files
from core.base.errors import DataError
from core.base.row import COLUMNS, CONTEXT, FIELDS, OPTIONAL, is_blank
from core.data.columns.answer_options import option_column
from core.data.columns.column_paths import follow_path, split_path
from core.data.columns.generations import mark_columns
from core.data.columns.marks import RowMark, mark_reason
from core.data.columns.other_values import members_besides, values_part
from core.data.columns.reasoning_beside import ReasoningBeside
from core.data.columns.row_views import NotLearnt, NoValue, View, chat_view, option_view, tools_view
from core.data.columns.turn_messages import read_history
from core.data.columns.turn_shapes import UnreadableTurns, holds_pairs
from core.data.columns.value_views import VALUE_VIEWS, best_view, value_view

Extraction = Literal[
    "text", "first", "think", "answer", "user", "earlier", "assistant", "assistant_think", "best_think", "best_answer",
    "system_turn", "chat_history", "history", "tools", "index", "option",
    "unmarked", "unprefixed", "joined", "inner", "inner_think", "json",
    "hash_think", "hash_answer", "heading_think", "heading_answer", "final_think", "final_answer",
]  # fmt: skip
"""How a column's value becomes text.

text: unchanged (`cells.cell_text`), no list or object; first: the first element of a list; think, answer: the reasoning
between the markers of a text, and the rest; user, earlier, assistant, assistant_think: from a list of chat turns, the
last question, the turns before it, the reply to it, and the reasoning of the reply; best_think, best_answer: reasoning
and answer of the first generation that is marked as correct and complete.

system_turn, chat_history: from a list of chat turns, the system turns at its beginning, and the other turns around the
question as JSON; history, tools: a list of earlier turns, and one of tools, as JSON; index, option: an answer that
names one of the options in another column, unchanged, and the option's text.

unmarked: the reasoning between the markers of a text, or all of a text that has none; unprefixed: a text without the
`SYSTEM:` that it may begin with; joined: the texts of a list, a
line each; inner, inner_think: the text inside an object or the best object of a list (`inner_text.inner_text`), and its
reasoning; json: lists and objects as their JSON text; hash_think, hash_answer: the steps before the line `#### RESULT`
and the result, where a text ends with one; heading_think, heading_answer: the texts under a heading of reasoning and
one of an answer (`headings.split_at_headings`); final_think, final_answer: the texts before and after `Final Answer:`.
A text that cannot be split is an answer without reasoning.
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
    marks: tuple[RowMark, ...] = ()
    """Columns that mark rows as not to be learnt; these rows are left out."""

    @property
    def plain(self) -> bool:
        """Whether every column is taken unchanged and no row is left out, so that readers need not look at single
        records, unless a pick is a path (see `SourceColumns.plain`)."""
        return not self.marks and all(pick.how == "text" for pick in self.picks.values())

    @property
    def watched(self) -> tuple[str, ...]:
        """Those of reasoning and output that are taken as text by a guess from the first rows. Where a later row has
        reasoning between markers in one, it is taken apart."""
        if self.by_hand or all(self.source(column) == column for column in COLUMNS):  # or Suiron's own file
            return ()
        picks = ((column, self.picks.get(column)) for column in ("reasoning", "output"))
        return tuple(column for column, pick in picks if pick is not None and pick.column and pick.how == "text")

    @property
    def columns(self) -> tuple[str, ...]:
        """The canonical columns that have a source, in their order."""
        return tuple(column for column in FIELDS if self.source(column))

    def source(self, column: str) -> str:
        """The source's column that the canonical `column` is taken from; empty where there is none."""
        pick = self.picks.get(column)
        return pick.column if pick is not None else ""

    def source_in(self, column: str, names: Container[str]) -> str | None:
        """As `source`, where that is among `names`; None where the canonical `column` has no source or the source is
        not there. A column of `names` that has no name itself is never a source."""
        source = self.source(column)
        return source if source and source in names else None

    def with_pick(self, column: str, pick: ColumnPick) -> ColumnMapping:
        """The mapping after the user chose `pick` for the canonical `column`; `ColumnPick("")` leaves it empty."""
        unclear = {name: picks for name, picks in self.unclear.items() if name != column}
        return ColumnMapping({**self.picks, column: pick}, unclear, by_hand=True, marks=self.marks)

    def with_marks(self, marks: Sequence[RowMark]) -> ColumnMapping:
        """The mapping after the user chose which columns mark rows as not to be learnt; none: every row is learnt."""
        return msgspec.structs.replace(self, marks=tuple(marks), by_hand=True)

    def chosen(self) -> ColumnMapping:
        """The mapping as the user's choice, with nothing unclear."""
        return msgspec.structs.replace(self, unclear={}, by_hand=True)


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


OTHER_QUESTION = "another question before the answer in its turns"


class LeftOut(str):
    """Why a row is left out: a mark in the source says that it must not be learnt."""

    __slots__ = ()


_TAKEN_APART = ("unmarked", "cut", "best", "hash", "heading", "final")  # views of a reasoning and the text behind it
_WATCHED = {"reasoning": ("unmarked", 0), "output": ("cut", 1)}
_PARTS: dict[Extraction, tuple[str, int]] = {
    "unmarked": ("unmarked", 0), "unprefixed": ("unprefixed", 0), "joined": ("joined", 0),
    "inner": ("inner", 0), "inner_think": ("inner", 1),
    "json": ("json", 0), "hash_think": ("hash", 0), "hash_answer": ("hash", 1), "heading_think": ("heading", 0),
    "heading_answer": ("heading", 1), "final_think": ("final", 0), "final_answer": ("final", 1),
    "text": ("text", 0), "first": ("first", 0), "think": ("cut", 0), "answer": ("cut", 1),
    "user": ("chat", 0), "earlier": ("chat", 1), "assistant": ("chat", 2), "assistant_think": ("chat", 3),
    "best_think": ("best", 0), "best_answer": ("best", 1), "system_turn": ("chat", 4), "chat_history": ("chat", 5),
    "history": ("history", 0), "tools": ("tools", 0), "index": ("index", 0), "option": ("option", 0),
}  # fmt: skip


class RowReader:
    """Reads records with a mapping.

    `sources` are the columns whose values `read` takes, each once. names: all columns of the source, some of which may
    mark generations as correct or complete, have the options of a question, or begin a path.
    """

    def __init__(self, mapping: ColumnMapping, names: Sequence[str]) -> None:
        self.sources: list[str] = []
        self.unused_parts: list[str] = []
        """Parts of the row read last that no text holds, such as `turns after the answer`."""
        self._names = names
        self._paths: list[tuple[int, tuple[str, ...]]] = []
        self._views: list[View] = []
        # for each canonical column, its view and the part of that; -1 for an empty text
        self._parts: list[tuple[int, int]] = []
        known: dict[tuple[str, str], int] = {}
        self._marks = [(self._position(mark.column), mark) for mark in mapping.marks if mark.kind != "reply"]
        self._reply_marks = {mark.column for mark in mapping.marks if mark.kind == "reply"}
        hows: dict[str, set[str]] = {}
        for chosen in mapping.picks.values():
            hows.setdefault(chosen.column, set()).add(chosen.how)
        self._whole = set(hows)
        for column in FIELDS:
            pick = mapping.picks.get(column)
            if pick is None or not pick.column:
                self._parts.append((-1, 0))
                continue
            kind, part = _WATCHED[column] if column in mapping.watched else _PARTS[pick.how]
            if kind == "text" and column in CONTEXT:
                kind = "json"
            if (kind, pick.column) not in known:
                known[kind, pick.column] = len(self._views)
                self._views.append(self._view(kind, pick.column, names, hows[pick.column]))
            self._parts.append((known[kind, pick.column], part))
        # chats of which only the reply is taken
        self._replies = [view for (kind, name), view in known.items() if kind == "chat" and "user" not in hows[name]]
        self._roots = self._values_with_paths()
        self._required = [(FIELDS.index(column), column) for column in FIELDS if column not in OPTIONAL]
        self._beside = _reasoning_beside(mapping, known)
        self._watches = bool(mapping.watched)
        self.met_markers: set[str] = set()
        """The watched columns in which a row read so far had markers."""

    def _position(self, name: str) -> int:
        """Where the value of a column stands among those of `sources`; of a path, counted from the end, where `read`
        adds them."""
        root, parts = split_path(name, self._names)
        if root not in self.sources:
            self.sources.append(root)
        position = self.sources.index(root)
        if not parts:
            return position
        if (position, parts) not in self._paths:
            self._paths.append((position, parts))
        return -1 - self._paths.index((position, parts))

    def _values_with_paths(self) -> list[tuple[str, int, list[tuple[str, ...]]]]:
        """The columns of which only what stands at the end of paths is taken: their names, positions and paths."""
        roots: dict[int, list[tuple[str, ...]]] = {}
        for position, parts in self._paths:
            roots.setdefault(position, []).append(parts)
        return [
            (self.sources[position], position, parts)
            for position, parts in roots.items()
            if self.sources[position] not in self._whole
        ]

    def _view(self, kind: str, name: str, names: Sequence[str], hows: set[str]) -> View:
        position = self._position(name)
        if kind in VALUE_VIEWS:
            return value_view(kind, position, name, self.unused_parts, hows)
        if kind == "chat":
            return chat_view(position, hows, name in self._reply_marks, holds_pairs(name), self.unused_parts)
        if kind == "history":
            return lambda values: (read_history(values[position], self.unused_parts),)
        if kind == "tools":
            return tools_view(position, self.unused_parts)
        if kind in ("index", "option"):
            if not (options := option_column(names)):
                return value_view("text", position, name, self.unused_parts)
            return option_view(position, self._position(options), options, kind == "option", self.unused_parts)
        marks = [[self._position(mark) for mark in several] for several in mark_columns(names)]
        return best_view(position, name, marks, self.unused_parts)

    def read(self, values: Sequence[Any]) -> list[str] | str:
        """The texts, in the order of `FIELDS`, made of the values of `sources`, or the row's fault: a `LeftOut`
        where the source marks it as not to be learnt. A missing or null value is None."""
        self.unused_parts.clear()
        try:
            if self._paths:
                ends = [follow_path(values[position], parts) for position, parts in self._paths]
                values = [*values, *reversed(ends)]
            for position, mark in self._marks:
                if reason := mark_reason(mark, values[position]):
                    return LeftOut(reason)
            views = [view(values) for view in self._views]
            for name, position, parts in self._roots:
                if members_besides(values[position], parts):
                    self.unused_parts.append(values_part(name))
        except NotLearnt as error:
            return LeftOut(str(error))
        except UnreadableTurns as error:
            return str(error)
        except RecursionError:
            return "a cell is nested too deeply"
        row = [views[view][part] if view >= 0 else "" for view, part in self._parts]
        for index, _ in self._required:
            if type(row[index]) is not str or self._parts[index][0] < 0:
                return self._explain(row)
        texts = [value if type(value) is str else "" for value in row]
        self._beside.complete(texts, views, self.unused_parts)
        for view in self._replies:
            question = views[view][0]
            if type(question) is str and not any(question.strip() in text for text in texts):
                self.unused_parts.append(OTHER_QUESTION)
        if self._watches:
            self.met_markers.update(self._beside.met(views))
        return explain_missing([]) if is_blank_row(texts[0], texts[3]) else texts

    def _explain(self, row: Sequence[str | None]) -> str:
        """The fault of a row that lacks a required column."""
        missing = [column for index, column in self._required if row[index] is None or self._parts[index][0] < 0]
        if missing:
            return explain_missing(missing)
        return next(str(row[index]) for index, _ in self._required if type(row[index]) is NoValue)


def _reasoning_beside(mapping: ColumnMapping, views: dict[tuple[str, str], int]) -> ReasoningBeside:
    output, reasoning = (mapping.picks.get(column, ColumnPick("")) for column in ("output", "reasoning"))
    kind, _ = _PARTS[output.how] if output.how != "text" else _WATCHED["output"]
    is_counterpart = (reasoning.column, _PARTS[reasoning.how]) == (output.column, (kind, 0))
    cut = views.get((kind, output.column), -1) if kind in _TAKEN_APART and not is_counterpart else -1
    kind = "unmarked" if ("unmarked", reasoning.column) in views else _PARTS[reasoning.how][0]
    is_counterpart = (output.column, _PARTS[output.how]) == (reasoning.column, (kind, 1))
    taken = views.get((kind, reasoning.column), -1) if kind in _TAKEN_APART and not is_counterpart else -1
    return ReasoningBeside(cut, taken, fills=bool(reasoning.column) or not mapping.by_hand)


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
