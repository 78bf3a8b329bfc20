"""Reads the rows of a data set for the checks, some thousands at a time, by columns. Knows no check."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Protocol

from core.base.row import FIELDS, TEXTS, Row
from core.quality.release_memory import release_batch_memory
from core.quality.text.character_counts import CharacterCounts

_ROWS, _BYTES = 4096, 4 << 20  # of one block at most, so that memory does not depend on how a file was cut


class RowSource(Protocol):
    """The part of an open data set that this room uses."""

    columns: tuple[str, ...]
    source: str
    split: str

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...

    def record_batches(self) -> Iterator[Any]: ...


class RowBlock:
    """Some rows of a data set. `indices`: of the rows; `columns`: all fields of rows, each a list of texts. Rows are
    addressed by their position in the block, from 0."""

    def __init__(self, indices: list[int], columns: dict[str, list[str]]) -> None:
        self.indices, self.columns = indices, columns

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, column: str) -> list[str]:
        return self.columns[column]

    @cached_property
    def character_counts(self) -> dict[str, CharacterCounts]:
        """The character counts of each of the four text columns."""
        return {column: CharacterCounts(self.columns[column]) for column in TEXTS}

    def row(self, position: int) -> Row:
        """The row at `position` of this block."""
        return Row(**{column: self.columns[column][position] for column in FIELDS}, index=self.indices[position])


def read_blocks(data: RowSource, part: int = 0, parts: int = 1) -> Iterator[RowBlock]:
    """All rows in order; or a share of them, every `parts`-th block from `part` on. The same rows always make the same
    blocks."""
    number = 0
    for batch in data.record_batches():
        for piece in _pieces(batch):
            if number % parts == part:
                columns = {column: piece.column(column).to_pylist() for column in FIELDS}
                yield RowBlock(piece.column("row").to_pylist(), columns)
            number += 1
        release_batch_memory(batch)


def _pieces(batch: Any) -> Iterator[Any]:
    """The batch, halved until every piece is small enough."""
    if batch.num_rows > 1 and (batch.num_rows > _ROWS or batch.nbytes > _BYTES):
        half = batch.num_rows // 2
        yield from _pieces(batch.slice(0, half))
        yield from _pieces(batch.slice(half))
    elif batch.num_rows:
        yield batch
