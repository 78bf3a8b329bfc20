"""Reads the rows of a data set for the checks, some thousands at a time, by columns. Knows no check."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from core.base.row import FIELDS, TEXTS, Row
from core.quality.release_memory import release_batch_memory
from core.quality.text.character_counts import CharacterCounts

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS, _BYTES = 4096, 4 << 20  # of one block at most, so that memory does not depend on how a file was cut
_INPUT_READ = 1000  # characters of an input that say what is asked for


class RowSource(Protocol):
    """The part of an open data set that this room uses."""

    columns: tuple[str, ...]
    source: str
    split: str

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...

    def record_batches(self) -> Iterator[Any]: ...


class RowBlock:
    """Some rows of a data set. Rows are addressed by their position in the block, from 0.

    batch: a string column without nulls for each of `FIELDS`, and `row`, the indices into the data set.
    """

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._texts: dict[str, list[str]] = {}
        self.indices: list[int] = batch.column("row").to_pylist()

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, column: str) -> list[str]:
        """The texts of a column."""
        texts = self._texts.get(column)
        if texts is None:
            texts = self._texts[column] = self._batch.column(column).to_pylist()
        return texts

    def positions_matching(self, column: str, pattern: str) -> list[int]:
        """The positions of the texts in which an RE2 pattern is found, ascending. About 1 GB/s: made for patterns that
        decide most rows, so that only the rest is read in Python."""
        import pyarrow.compute as pc

        found: list[int] = pc.indices_nonzero(pc.match_substring_regex(self._batch.column(column), pattern)).to_pylist()
        return found

    @cached_property
    def character_counts(self) -> dict[str, CharacterCounts]:
        """The character counts of each of the four text columns."""
        return {column: CharacterCounts(self[column]) for column in TEXTS}

    def row(self, position: int) -> Row:
        """The row at `position` of this block."""
        return Row(**{column: self[column][position] for column in FIELDS}, index=self.indices[position])

    def request(self, position: int) -> str:
        """The text that says what is asked for: the system prompt, the instruction, and the beginning of the input."""
        texts = (self["system"][position], self["instruction"][position], self["input"][position][:_INPUT_READ])
        return "\n".join(filter(None, texts))


def read_blocks(data: RowSource, part: int = 0, parts: int = 1) -> Iterator[RowBlock]:
    """All rows in order; or a share of them, every `parts`-th block from `part` on. The same rows always make the same
    blocks."""
    number = 0
    for batch in data.record_batches():
        for piece in _pieces(batch):
            if number % parts == part:
                yield RowBlock(piece)
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
