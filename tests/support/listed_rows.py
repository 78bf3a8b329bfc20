"""Rows held in a list, read by columns as a data set is. Unlike Arrow it also holds text that is not Unicode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.base.row import Row


@dataclass
class ListedColumn:
    values: list[Any]

    def to_pylist(self) -> list[Any]:
        return self.values


@dataclass
class ListedBatch:
    """What is used of a `pyarrow.RecordBatch`."""

    rows: Sequence[Row]

    @property
    def num_rows(self) -> int:
        return len(self.rows)

    def slice(self, offset: int, length: int) -> ListedBatch:
        return ListedBatch(self.rows[offset : offset + length])

    def column(self, name: str) -> ListedColumn:
        return ListedColumn([getattr(row, "index" if name == "row" else name) for row in self.rows])


class ListedRows:
    def __init__(
        self,
        rows: Sequence[Row],
        columns: tuple[str, ...] = ("instruction", "output", "sysflag"),
        batch: int = 10_000,
    ) -> None:
        self.columns = columns
        self.batches_read = 0
        self._rows, self._batch = list(rows), batch

    def record_batches(self) -> Iterator[Any]:
        for first in range(0, len(self._rows), self._batch):
            yield ListedBatch(self._rows[first : first + self._batch])

    def batches(self, flag: str = "") -> Iterator[list[Row]]:
        rows = [row for row in self._rows if not flag or row.sysflag == flag]
        for first in range(0, len(rows), self._batch):
            self.batches_read += 1
            yield rows[first : first + self._batch]
