"""The rows of a data set, some thousands at a time, column by column: what every check is given. Knows nothing of
checks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Protocol

from core.base.row import COLUMNS, TEXTS, Row
from core.quality.letters import Letters
from core.quality.pages import release

__all__ = ["TEXTS", "Block", "Source", "blocks"]

_ROWS, _BYTES = 4096, 4 << 20  # of one block at most, so that memory does not depend on how a file was cut


class Source(Protocol):
    """What this room needs of an open data set."""

    columns: tuple[str, ...]
    source: str
    split: str

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...

    def record_batches(self) -> Iterator[Any]: ...


class Block:
    """rows: the indices; columns: the six, each a list of as many texts."""

    def __init__(self, rows: list[int], columns: dict[str, list[str]]) -> None:
        self.rows, self.columns = rows, columns

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[str]:
        return self.columns[column]

    @cached_property
    def letters(self) -> dict[str, Letters]:
        """For each of the four texts what it is made of."""
        return {column: Letters(self.columns[column]) for column in TEXTS}

    def row(self, place: int) -> Row:
        return Row(**{column: self.columns[column][place] for column in COLUMNS}, index=self.rows[place])


def blocks(data: Source, part: int = 0, parts: int = 1) -> Iterator[Block]:
    """All rows in order; or, of a share of them, every `parts`-th block from `part` on. The same rows are always cut
    the same way."""
    number = 0
    for batch in data.record_batches():
        for piece in _cut(batch):
            if number % parts == part:
                yield Block(
                    piece.column("row").to_pylist(), {column: piece.column(column).to_pylist() for column in COLUMNS}
                )
            number += 1
        release(batch)


def _cut(batch: Any) -> Iterator[Any]:
    if batch.num_rows > 1 and (batch.num_rows > _ROWS or batch.nbytes > _BYTES):
        half = batch.num_rows // 2
        yield from _cut(batch.slice(0, half))
        yield from _cut(batch.slice(half))
    elif batch.num_rows:
        yield batch
