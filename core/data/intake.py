"""Where readers put what they read: learns the columns, sets bad rows aside, hands good ones on by batches. Knows no format and no storage."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from core.data.cells import cell
from core.data.columns import Columns
from core.data.problems import Problem, Problems
from core.errors import DataError
from core.row import COLUMNS

Progress = Callable[[int, int], None]
Put = Callable[[Sequence[Sequence[str]]], None]
BATCH_ROWS, BATCH_CHARS = 16_384, 4 << 20


class Facts(msgspec.Struct, frozen=True):
    """What is known of a source besides its rows. mapping: the source's name -> canonical; extra: columns that are not used."""

    mapping: dict[str, str]
    extra: tuple[str, ...]
    problems: list[Problem]
    problem_count: int


class Intake:
    """`put` takes six columns of equal length in the order of `COLUMNS`; `where` is the source's name in errors."""

    def __init__(self, where: str, put: Put, progress: Progress | None = None) -> None:
        self.where = where
        self.columns = Columns()
        self.problems = Problems()
        self.rows = 0
        self._put = put
        self._progress = progress
        self._told = time.monotonic()
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._chars = 0

    def take(self, number: int, record: Any, size: int) -> None:
        """One record of any shape, `number` as in `Problem.row`, of about `size` characters. Kept until enough have come."""
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

    def flush(self) -> None:
        waiting, self._waiting, self._chars = self._waiting, [], 0
        for _, record in waiting:
            self.columns.learn(record)
        good = [row for number, record in waiting if (row := self._row(number, record)) is not None]
        if good:
            self.rows += len(good)
            self._put(list(zip(*good, strict=True)))

    def _row(self, number: int, record: dict[str, Any]) -> list[str] | None:
        used = self.columns.used
        try:
            row = [cell(record.get(used[column])) if column in used else "" for column in COLUMNS]
        except RecursionError:
            self.problems.add(number, "a cell is nested too deeply")
            return None
        missing = [column for column in ("instruction", "output") if record.get(used.get(column, column)) is None]
        if missing:
            self.problems.add(number, lacking(missing))
            return None
        if blank(row[0], row[3]):
            self.problems.add(number, lacking([]))
            return None
        return row

    def progress(self, done: int, total: int) -> None:
        """Passed on at most ten times a second."""
        now = time.monotonic()
        if self._progress is not None and now - self._told >= 0.1:
            self._told = now
            self._progress(min(done, total), total)

    def finish(self) -> Facts:
        """What was learnt. Raises DataError where a required column or every row is missing."""
        self.flush()
        kept = sorted(self.problems.kept, key=lambda problem: problem.row)  # readers and `flush` find them at different times
        if self.columns.names:
            self.columns.check(self.where)
        if not self.rows:
            if not self.problems.count:
                raise DataError("there are no rows in it", self.where, "Name a file with at least one row")
            first = kept[0]
            raise DataError(
                f"none of its {self.problems.count} rows can be used; the first, at {first.row}: {first.what}",
                self.where,
                self.problems.advice or "Mend the rows, or name another file",
            )
        mapping = {name: column for column, name in self.columns.used.items()}
        return Facts(mapping, self.columns.extra, kept, self.problems.count)


def blank(instruction: str, output: str) -> bool:
    """Whether a row says nothing: neither a question nor an answer."""
    return not (instruction.strip() or output.strip())


def lacking(missing: list[str]) -> str:
    """The problem of a row without the required columns `missing`, or, where none is missing, with nothing in them."""
    if not missing:
        return "instruction and output are both empty"
    return f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing or null"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {"list": "a list", "str": "a text", "bool": "true or false", "Number": "a number"}.get(type(value).__name__, "something else")
