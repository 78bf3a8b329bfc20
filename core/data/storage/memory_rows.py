"""A small source as rows in memory. Needs no pyarrow, whose import takes longer than showing the demo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from core.base.row import Row

if TYPE_CHECKING:
    import pyarrow as pa

    from core.data.storage.edit_overlay import EditOverlay

_BATCH_ROWS = 4096


class MemoryRows:
    """Rows in the order in which they are shown. `put` adds rows while the source is read; later they are read only."""

    def __init__(self, rows: Sequence[Row] = (), highest: int | None = None) -> None:
        self._rows = list(rows)
        self._highest = highest
        self._positions: dict[int, int] | None = None
        self._extras: list[str] = []
        if highest is not None:
            self._positions = {row.index: position for position, row in enumerate(self._rows)}

    def put(self, columns: Sequence[Sequence[str]]) -> None:
        """Append rows. columns: texts, one for each of `STORED_COLUMNS`."""
        first = len(self._rows)
        *fields, extras = columns
        for index, texts in enumerate(zip(*fields, strict=True), first):
            self._rows.append(Row(*texts, index=index))  # type: ignore[misc]
        self._extras += extras

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def highest(self) -> int:
        return len(self._rows) - 1 if self._highest is None else self._highest

    def row(self, index: int) -> Row:
        if self._positions is not None:
            position = self._positions.get(index)
            if position is not None:
                return self._rows[position]
        elif 0 <= index < len(self._rows):
            return self._rows[index]
        raise IndexError(f"row {index} of {len(self._rows)}")

    def take(self, indices: Sequence[int]) -> list[Row]:
        return [self.row(int(index)) for index in indices]

    def extras(self, indices: Sequence[int]) -> list[str]:
        return [self._extras[index] if 0 <= index < len(self._extras) else "" for index in indices]

    def order(self) -> Sequence[int]:
        return range(len(self._rows)) if self._positions is None else [row.index for row in self._rows]

    def with_overlay(self, overlay: EditOverlay) -> MemoryRows:
        """These rows of the source with the edits of `overlay`."""
        rows = overlay.added_rows(-1)
        for row in self._rows:
            index = row.index
            if not overlay.deleted[index]:
                rows.append(overlay.patches.get(index, row))
            rows += overlay.added_rows(index)
        return MemoryRows(rows, overlay.highest)

    def record_batches(self, indices: Sequence[int] | None = None) -> Iterator[pa.RecordBatch]:
        from core.data.storage.arrow_arrays import row_batch

        rows = self._rows if indices is None else self.take(indices)
        for first in range(0, len(rows), _BATCH_ROWS):
            yield row_batch(rows[first : first + _BATCH_ROWS])
