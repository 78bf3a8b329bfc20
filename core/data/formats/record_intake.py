"""Where readers put what they read: settles the columns, sets bad rows aside, hands good ones on by batches. Knows no
format and no storage."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import msgspec

from core.base.errors import DataError
from core.data.cells import Number
from core.data.columns.mapping import Mapping
from core.data.columns.settled_columns import SAMPLE_ROWS, Columns
from core.data.problems import Problem, Problems

Progress = Callable[[int, int], None]
Put = Callable[[Sequence[Sequence[str]]], None]
BATCH_ROWS, BATCH_CHARS = 16_384, 4 << 20


class Facts(msgspec.Struct, frozen=True):
    """What is known of a source besides its rows. mapping: what the columns were taken from; extra: columns that are
    not used."""

    mapping: Mapping
    extra: tuple[str, ...]
    problems: list[Problem]
    problem_count: int


class Intake:
    """`put` takes six columns of equal length in the order of `COLUMNS`; `where` is the source's name in errors.

    Without a `mapping` the columns are guessed from the first rows; see `Columns.learn`.
    """

    def __init__(self, where: str, put: Put, progress: Progress | None = None, mapping: Mapping | None = None) -> None:
        self.where = where
        self.columns = Columns(mapping)
        self.problems = Problems()
        self.rows = 0
        self.arrays: Callable[[Sequence[Any]], None] | None = (
            None  # set by a storage that takes six Arrow arrays as they are
        )
        self._put = put
        self._progress = progress
        self._told = time.monotonic()
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._chars = 0

    def take(self, number: int, record: Any, size: int) -> None:
        """One record of any shape, `number` as in `Problem.row`, of about `size` characters. Kept until enough have
        come."""
        if not isinstance(record, dict):
            self.problems.add(number, f"not an object but {_kind(record)}")
            return
        self._waiting.append((number, record))
        self._chars += size
        if len(self._waiting) >= BATCH_ROWS or self._chars >= BATCH_CHARS:
            self.flush()

    def put(self, columns: Sequence[Sequence[str]]) -> None:
        """Six columns of good rows."""
        self.flush()
        self.rows += len(columns[0])
        self._put(columns)

    def put_arrays(self, batches: Sequence[Sequence[Any]]) -> None:
        """Batches of six Arrow arrays of good rows, for a storage that takes them."""
        self.flush()
        assert self.arrays is not None  # noqa: S101  (readers look before they ask)
        for batch in batches:
            self.rows += len(batch[0])
            self.arrays(batch)

    def put_values(self, numbers: Sequence[int], values: Sequence[Sequence[Any]]) -> None:
        """Records as the values of `columns.reader.sources`, each list in that order; `numbers` as in `Problem.row`."""
        self.flush()
        read = self.columns.reader.read
        good = []
        for number, record in zip(numbers, values, strict=True):
            row = read(record)
            if isinstance(row, str):
                self.problems.add(number, row)
            else:
                good.append(row)
        if good:
            self.rows += len(good)
            self._put(list(zip(*good, strict=True)))

    def flush(self) -> None:
        waiting, self._waiting, self._chars = self._waiting, [], 0
        if not waiting:
            return
        names: dict[str, None] = {}
        for _, record in waiting:
            names.update(dict.fromkeys(record))
        self.columns.learn(names, [record for _, record in islice(waiting, SAMPLE_ROWS)], free=not self.rows)
        sources = self.columns.reader.sources
        self.put_values([number for number, _ in waiting], [list(map(record.get, sources)) for _, record in waiting])

    def progress(self, done: int, total: int) -> None:
        """Passed on at most ten times a second."""
        now = time.monotonic()
        if self._progress is not None and now - self._told >= 0.1:
            self._told = now
            self._progress(min(done, total), total)

    def finish(self) -> Facts:
        """What was learnt. Raises DataError where a required column or every row is missing."""
        self.flush()
        files = {problem.file: place for place, problem in reversed(list(enumerate(self.problems.kept)))}
        kept = sorted(
            self.problems.kept, key=lambda problem: (files[problem.file], problem.row)
        )  # readers and `flush` find them at different times
        if self.columns.names:
            self.columns.check(self.where)
        if not self.rows:
            if not self.problems.count:
                raise DataError("there are no rows in it", self.where, "Name a file with at least one row")
            first = kept[0]
            raise DataError(
                f"none of its {self.problems.count} rows can be used; the first, at {first.row}: {first.what}"
                if first.row
                else first.what,
                self.where,
                self.problems.advice or "Mend the rows, or name another file",
            )
        return Facts(self.columns.mapping, self.columns.extra, kept, self.problems.count)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Number | int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "a text" if isinstance(value, str) else "something else"
