"""Collects the rows of readers: settles the columns, sets bad rows aside, and passes good rows on in batches.

Knows no format and no storage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from core.base.errors import DataError
from core.data.cell_text import NumberText, holds_lone_surrogate
from core.data.columns.mapping import ColumnMapping, LeftOut
from core.data.columns.settled_columns import SAMPLE_ROWS, SourceColumns
from core.data.columns.turn_shapes import as_turns
from core.data.extra_columns import extra_text, has_value
from core.data.formats.repeated_keys import repeated_parts
from core.data.not_used import NotUsed
from core.data.problems import ProblemKind, RowProblem, RowProblems

ProgressCallback = Callable[[int, int], None]
"""Called with the amount done and the total, in bytes, rows or files; an exception that it raises ends the work."""
PutColumns = Callable[[Sequence[Sequence[str]]], None]
"""Takes columns of equal length, one for each of `STORED_COLUMNS`."""
HALF_CHARACTER = "half of a character (a lone surrogate), which is read as U+FFFD"
BATCH_ROWS, BATCH_CHARS = 16_384, 4 << 20  # the size of a batch of records, whichever limit is reached first
_PROGRESS_EVERY = 0.1  # seconds


class SourceFacts(msgspec.Struct, frozen=True):
    """Facts about a source besides its rows."""

    mapping: ColumnMapping
    """The mapping with which the rows were read."""
    extra: tuple[str, ...]
    """Columns of the source that are not used."""
    problems: list[RowProblem]
    """The first problems, in the order of the files and rows."""
    problem_count: int
    """The number of all problems."""
    names: tuple[str, ...] = ()
    """All columns of the source, in its order."""
    types: dict[str, bytes] = {}
    """For Parquet and Arrow, the type of each column that no field takes, as a serialised schema of one field."""
    not_used: NotUsed = msgspec.field(default_factory=NotUsed)
    """What of the source is not used, in rows that could be read; nothing before the import."""
    problem_kinds: list[ProblemKind] = []
    """All problems by kind, the most frequent first."""
    notes: list[str] = []
    """How the source was read where that is not plain: sentences without full stops, which may quote foreign text."""


class RowCollector:
    """Takes records of any shape and passes good rows to `put`.

    where: the source's name in errors; mapping: the user's mapping; without it, the columns are guessed from the first
    rows, see `SourceColumns.add_names`.
    """

    def __init__(
        self,
        where: str,
        put: PutColumns,
        progress: ProgressCallback | None = None,
        mapping: ColumnMapping | None = None,
    ) -> None:
        self.where = where
        self.columns = SourceColumns(mapping)
        self.problems = RowProblems()
        self.not_used = NotUsed()
        self._types: dict[str, bytes] = {}
        self.rows = 0
        # set by a storage that takes Arrow arrays
        self.arrays: Callable[[Sequence[Any]], None] | None = None
        self._put = put
        self._progress = progress
        self._last_progress = time.monotonic()
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._unused_parts: dict[int, list[str]] = {}  # of waiting records, found before their columns are read
        self._chars = 0

    def take(self, number: int, record: Any, size: int) -> None:
        """Take one record of any shape, of about `size` characters. number: as in `RowProblem.row`. Records are kept
        until there are enough for a batch."""
        record = record_of(record)
        if not isinstance(record, dict):
            self.problems.add(number, f"not an object but {_json_type(record)}")
            return
        if parts := _parts_not_read(record):
            self._unused_parts.setdefault(number, []).extend(parts)
        self._waiting.append((number, record))
        self._chars += size
        if len(self._waiting) >= BATCH_ROWS or self._chars >= BATCH_CHARS:
            self.flush()

    def put(self, columns: Sequence[Sequence[str]]) -> None:
        """Take columns of good rows, one for each of `STORED_COLUMNS`."""
        self.flush()
        self.rows += len(columns[0])
        self._put(columns)

    def put_arrays(self, batches: Sequence[Sequence[Any]]) -> None:
        """Take batches of Arrow arrays of good rows, one for each of `STORED_COLUMNS`, for a storage that takes
        arrays."""
        self.flush()
        assert self.arrays is not None  # noqa: S101  (readers check `arrays` first)
        for batch in batches:
            self.rows += len(batch[0])
            self.arrays(batch)

    def put_values(
        self, numbers: Sequence[int], values: Sequence[Sequence[Any]], extras: Iterable[Mapping[str, Any]]
    ) -> None:
        """Take records as lists of the values of `columns.reader.sources`. numbers: as in `RowProblem.row`; extras: for
        each record, the values of the columns that are not used, see `extra_text`."""
        self.flush()
        reader = self.columns.reader
        read, unused_parts = reader.read, reader.unused_parts
        keep_extra = self.extra_keeper()
        before, self._unused_parts = self._unused_parts, {}
        good = []
        for number, record, extra in zip(numbers, values, extras, strict=True):
            row = read(record)
            if isinstance(row, LeftOut):
                self.not_used.leave_out(row, number)
            elif isinstance(row, str):  # its fault
                self.problems.add(number, row)
            else:
                good.append([*row, keep_extra(extra)])
                if unused_parts or number in before:
                    self.not_used.add_parts((*unused_parts, *before.get(number, ())), number)
        if reader.met_markers:
            self.columns.take_apart(reader.met_markers)
        if good:
            self.rows += len(good)
            self._put(list(zip(*good, strict=True)))

    def note_types(self, types: Mapping[str, Any]) -> None:
        """Keep the Arrow types of columns that no field takes, so that an export can write them again."""
        from core.data.formats.typed_columns import type_to_bytes

        for name, data_type in types.items():
            if name not in self._types:
                self._types[name] = type_to_bytes(data_type)

    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.columns.names))

    def extra_keeper(self) -> Callable[[Mapping[str, Any]], str]:
        """A function for one batch of good rows: makes the text that keeps the values of a row's other columns, by
        name, and counts them."""
        marks, add_column = self.columns.marks, self.not_used.add_column

        def keep(extra: Mapping[str, Any]) -> str:
            for name, value in extra.items():
                if name not in marks and has_value(value):
                    add_column(name)
            return extra_text(extra) if extra else ""

        return keep

    def flush(self) -> None:
        """Pass the waiting records on; the first ones settle the columns."""
        waiting = self._waiting
        self._waiting = []
        self._chars = 0
        if not waiting:
            return
        names: dict[str, None] = {}
        for _, record in waiting:
            names.update(dict.fromkeys(record))
        self.columns.add_names(names, [record for _, record in islice(waiting, SAMPLE_ROWS)], free=not self.rows)
        sources = self.columns.reader.sources
        taken = self.columns.taken
        self.put_values(
            [number for number, _ in waiting],
            [list(map(record.get, sources)) for _, record in waiting],
            ({name: value for name, value in record.items() if name not in taken} for _, record in waiting),
        )

    def progress(self, done: int, total: int) -> None:
        """Pass progress on, at most ten times a second."""
        now = time.monotonic()
        if self._progress is not None and now - self._last_progress >= _PROGRESS_EVERY:
            self._last_progress = now
            self._progress(min(done, total), total)

    def finish(self) -> SourceFacts:
        """The facts about the source. Raises DataError where a required column or every row is missing."""
        self.flush()
        # readers and `flush` find problems at different times, so they are sorted by file and row
        first_of_file = {problem.file: index for index, problem in reversed(list(enumerate(self.problems.kept)))}
        problems = sorted(self.problems.kept, key=lambda problem: (first_of_file[problem.file], problem.row))
        if self.columns.names:
            self.columns.check(self.where)
        if not self.rows:
            if self.not_used.left_out:
                do = "Map the columns (python -m core data map) without the mark, or name another file"
                raise DataError(f"no row is left: {self.not_used.words()}", self.where, do)
            if not self.problems.count:
                raise DataError("there are no rows in it", self.where, "Name a file with at least one row")
            first = problems[0]
            what = first.what
            if first.row:
                what = f"none of its {self.problems.count:,} rows can be used; the first, at {first.row}: {first.what}"
                if self.problems.count == 1:
                    what = f"its only row, at {first.row}, cannot be used: {first.what}"
            raise DataError(what, self.where, self.problems.advice or "Fix the rows, or name another file")
        return SourceFacts(
            self.columns.mapping,
            self.columns.extra,
            problems,
            self.problems.count,
            self._names(),
            self._types,
            self.not_used,
            self.problems.kinds,
            self.problems.notes,
        )


def _parts_not_read(record: dict[str, Any]) -> list[str]:
    """What is lost of a record whatever its columns are."""
    parts = repeated_parts(record)
    try:
        return [*parts, HALF_CHARACTER] if holds_lone_surrogate(record) else parts
    except RecursionError:  # a problem of the row where its columns are read
        return parts


def record_of(record: Any) -> Any:
    """A record as an object: a list of chat turns is one with a column `messages`. Any other value is returned as it
    is."""
    return {"messages": record} if isinstance(record, list) and as_turns(record) is not None else record


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, NumberText | int | float):
        return "a number"
    if isinstance(value, list):
        return "a list"
    return "a text" if isinstance(value, str) else "something else"
