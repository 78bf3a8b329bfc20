"""A large source as a memory-mapped Arrow file in batches, with the user's edits on top.

Only the rows of one page become Python objects, never all. Rows that were changed or added one by one
(`EditOverlay.patches`) are one more small batch and hidden in the batches of the source. pyarrow is imported only where
it is needed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.row import FIELDS, Row
from core.data.extra_columns import EXTRA
from core.data.storage.arrow_arrays import bool_array, int64_array, row_batch
from core.data.storage.column_files import FileDescriptor

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.data.storage.edit_overlay import EditOverlay

    IndexArray = np.ndarray[Any, np.dtype[np.int64]]
    RowMask = np.ndarray[Any, np.dtype[np.bool_]]

_GATHERED_ROWS = 4096  # in one batch when rows are picked from all over the source


class ArrowRows:
    """The rows of an Arrow file, read only, so that several threads can use them.

    `batches`: of the source; `starts`: the index of the first row of each batch, and the number of rows as its last
    item; `file`: the descriptor of the imported file, for another process to map.
    """

    def __init__(
        self, batches: list[pa.RecordBatch], file: FileDescriptor | None = None, overlay: EditOverlay | None = None
    ) -> None:
        self.batches = batches
        self.file = file
        self.starts = [0, *accumulate(len(batch) for batch in batches)]
        self.overlay = overlay
        self._order: Sequence[int] | None = None
        self._hidden: RowMask | None = None
        self._patch_batch: pa.RecordBatch | None = None

    def with_overlay(self, overlay: EditOverlay) -> ArrowRows:
        """These rows of the source with the edits of `overlay`."""
        return ArrowRows(self.batches, self.file, overlay)

    def __len__(self) -> int:
        return self.starts[-1] if self.overlay is None else self.overlay.length

    @property
    def highest(self) -> int:
        return self.starts[-1] - 1 if self.overlay is None else self.overlay.highest

    def row(self, index: int) -> Row:
        if self.overlay is not None:
            if (patch := self.overlay.patches.get(index)) is not None:
                return patch
            if 0 <= index < self.starts[-1] and self.overlay.deleted[index]:
                raise IndexError(f"row {index} was deleted")
        if not 0 <= index < self.starts[-1]:
            raise IndexError(f"row {index} of {self.starts[-1]}")
        batch = bisect_right(self.starts, index) - 1
        offset = index - self.starts[batch]
        return Row(*(self.column(batch, i)[offset].as_py() for i in range(len(FIELDS))), index=index)  # type: ignore[misc]

    def take(self, indices: Sequence[int]) -> list[Row]:
        return [self.row(int(index)) for index in indices]

    def column(self, batch: int, column: int) -> pa.Array:
        """Column number `column` of batch number `batch` after bulk edits; without patches."""
        if self.overlay is not None and (replaced := self.overlay.columns.get(FIELDS[column])) is not None:
            return replaced.arrays[batch]
        return self.batches[batch].column(column)

    def extras(self, indices: Sequence[int]) -> list[str]:
        import numpy as np

        index_array = np.asarray(indices, dtype=np.int64)
        texts = np.full(len(index_array), "", dtype=object)
        batches = np.searchsorted(np.asarray(self.starts), index_array, side="right") - 1
        for batch in np.unique(batches[(index_array >= 0) & (batches < len(self.batches))]).tolist():
            positions = np.nonzero(batches == batch)[0]
            offsets = int64_array(index_array[positions] - self.starts[batch])
            texts[positions] = self.batches[batch].column(EXTRA).take(offsets).to_pylist()
        return texts.tolist()

    def order(self) -> Sequence[int]:
        if self.overlay is None or self.overlay.keeps_source_rows:
            return range(self.starts[-1])
        if self._order is None:
            import numpy as np

            remaining = np.nonzero(np.frombuffer(self.overlay.deleted, dtype=np.uint8) == 0)[0]
            positions, added = [], []
            for anchor in sorted(self.overlay.added_after):
                rows = self.overlay.added_rows(anchor)
                positions += [int(np.searchsorted(remaining, anchor, side="right"))] * len(rows)
                added += [row.index for row in rows]
            self._order = np.insert(remaining, positions, added)  # type: ignore[assignment]
        return self._order  # type: ignore[return-value]

    def hidden_mask(self) -> RowMask | None:
        """Which rows of the source are deleted or in `patch_batch`, shape (rows of the source,); None if there are
        none."""
        if self.overlay is None or not (self.overlay.patches or self.overlay.deleted_count):
            return None
        if self._hidden is None:
            import numpy as np

            hidden = np.frombuffer(self.overlay.deleted, dtype=np.uint8) != 0
            patched = np.fromiter(self.overlay.patches, np.int64, len(self.overlay.patches))
            hidden[patched[patched < len(hidden)]] = True
            self._hidden = hidden
        return self._hidden

    def patch_batch(self) -> pa.RecordBatch | None:
        """The rows that were changed or added one by one, with `row` as the last column; None if there are none."""
        if self.overlay is None or not self.overlay.patches:
            return None
        if self._patch_batch is None:
            self._patch_batch = row_batch(list(self.overlay.patches.values()))
        return self._patch_batch

    def visible_arrays(self, column: int) -> Iterator[pa.Array]:
        """Column number `column` of all rows that are shown, batch by batch, in no particular order."""
        hidden = self.hidden_mask()
        for batch in range(len(self.batches)):
            array = self.column(batch, column)
            if hidden is not None:
                batch_hidden = hidden[self.starts[batch] : self.starts[batch + 1]]
                if batch_hidden.any():
                    array = array.filter(bool_array(~batch_hidden))
            yield array
        if (patches := self.patch_batch()) is not None:
            yield patches.column(column)

    def record_batches(self, indices: Sequence[int] | None = None) -> Iterator[pa.RecordBatch]:
        import numpy as np
        import pyarrow as pa

        all_from_source = self.overlay is None or self.overlay.keeps_source_rows
        if indices is None and all_from_source and self.hidden_mask() is None:
            for batch, start in enumerate(self.starts[:-1]):
                columns = [self.column(batch, i) for i in range(len(FIELDS))]
                rows = int64_array(np.arange(start, self.starts[batch + 1]))
                yield pa.record_batch([*columns, rows], names=[*FIELDS, "row"])
            return
        index_array = np.asarray(self.order() if indices is None else indices, dtype=np.int64)
        for first in range(0, len(index_array), _GATHERED_ROWS):
            yield self._gather(index_array[first : first + _GATHERED_ROWS])

    def _gather(self, index_array: IndexArray) -> pa.RecordBatch:
        """The rows with these indices, in that order, as one batch."""
        import numpy as np
        import pyarrow as pa

        patch_batch = self.patch_batch()
        patches = self.overlay.patches if self.overlay is not None else {}
        batches = np.searchsorted(np.asarray(self.starts), index_array, side="right") - 1
        if patches:
            is_patched = np.fromiter((int(index) in patches for index in index_array), bool, len(index_array))
            batches[is_patched] = len(self.batches)
        if len(index_array) and (index_array.min() < 0 or (batches.max() >= len(self.batches) and patch_batch is None)):
            raise IndexError(f"rows {index_array.min()} to {index_array.max()} of {self.starts[-1]}")
        patch_offsets = {index: offset for offset, index in enumerate(patches)}
        pieces, positions = [], []
        for batch in np.unique(batches):
            chosen = np.nonzero(batches == batch)[0]
            if batch == len(self.batches):
                offsets = int64_array(np.array([patch_offsets[int(index)] for index in index_array[chosen]]))
                pieces.append([patch_batch.column(i).take(offsets) for i in range(len(FIELDS))])  # type: ignore[union-attr]
            else:
                offsets = int64_array(index_array[chosen] - self.starts[batch])
                pieces.append([self.column(int(batch), i).take(offsets) for i in range(len(FIELDS))])
            positions.append(chosen)
        if not pieces:
            return row_batch([])
        joined = [pa.concat_arrays([piece[i] for piece in pieces]) for i in range(len(FIELDS))]
        back = int64_array(np.argsort(np.concatenate(positions), kind="stable"))
        columns = [array.take(back) for array in joined]
        return pa.record_batch([*columns, int64_array(index_array)], names=[*FIELDS, "row"])


def open_arrow_rows(path: Path) -> tuple[ArrowRows, bytes]:
    """The rows of an imported file, and the metadata bytes of its last, empty batch.

    Raises OSError or pyarrow.ArrowInvalid if the file is damaged.
    """
    import pyarrow as pa

    descriptor = FileDescriptor(path)
    file = pa.ipc.open_file(pa.memory_map(str(path)))
    batches = [file.get_batch(i) for i in range(file.num_record_batches - 1)]
    last = file.get_batch_with_custom_metadata(file.num_record_batches - 1)
    return ArrowRows(batches, descriptor), last.custom_metadata[b"facts"]
