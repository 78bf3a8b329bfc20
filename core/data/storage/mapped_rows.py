"""A large source as an Arrow file in memory-mapped batches, with edits laid over it. Python holds the rows of one page,
never the whole.

Rows that were changed or added one by one (`Overlay.patches`) are answered for as one more small batch, and hidden
where they stood. pyarrow is imported where it is first needed; text, order and counts are its work, SQL is asked of
another process (`sql`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.row import COLUMNS, Row
from core.data.filters import Filters
from core.data.search import row_query
from core.data.storage.arrow_arrays import flags, numbers
from core.data.storage.column_files import Descriptor
from core.data.storage.memory_rows import as_batch

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.data.storage.edit_overlay import Overlay

    Ids = np.ndarray[Any, np.dtype[np.int64]]
    Mask = np.ndarray[Any, np.dtype[np.bool_]]

_TAKEN = 4096  # rows handed on in one batch when they are picked from all over the source


class MappedRows:
    """Read only, so safe to call from several threads. `file` is the descriptor of the imported file, for another
    process to map."""

    def __init__(
        self, batches: list[pa.RecordBatch], file: Descriptor | None = None, overlay: Overlay | None = None
    ) -> None:
        self.parts = batches
        self.file = file
        self.starts = [0, *accumulate(len(batch) for batch in batches)]
        self.overlay = overlay
        self._order: Sequence[int] | None = None
        self._hidden: Mask | None = None
        self._hand: pa.RecordBatch | None = None

    def edited(self, overlay: Overlay) -> MappedRows:
        """These rows of the source, as an overlay has them."""
        return MappedRows(self.parts, self.file, overlay)

    def __len__(self) -> int:
        return self.starts[-1] if self.overlay is None else self.overlay.length

    @property
    def highest(self) -> int:
        return self.starts[-1] - 1 if self.overlay is None else self.overlay.highest

    def row(self, index: int) -> Row:
        if self.overlay is not None:
            if (patch := self.overlay.patches.get(index)) is not None:
                return patch
            if 0 <= index < self.starts[-1] and self.overlay.gone[index]:
                raise IndexError(f"row {index} was deleted")
        if not 0 <= index < self.starts[-1]:
            raise IndexError(f"row {index} of {self.starts[-1]}")
        place = bisect_right(self.starts, index) - 1
        offset = index - self.starts[place]
        return Row(*(self.column(place, i)[offset].as_py() for i in range(len(COLUMNS))), index=index)  # type: ignore[misc]

    def take(self, indices: Sequence[int]) -> list[Row]:
        return [self.row(int(index)) for index in indices]

    def column(self, place: int, column: int) -> pa.Array:
        """One column of the batch at `place`, with what bulk edits made of it."""
        if self.overlay is not None and (replaced := self.overlay.columns.get(COLUMNS[column])) is not None:
            return replaced.arrays[place]
        return self.parts[place].column(column)

    def order(self) -> Sequence[int]:
        if self.overlay is None or self.overlay.plain:
            return range(self.starts[-1])
        if self._order is None:
            import numpy as np

            there = np.nonzero(np.frombuffer(self.overlay.gone, dtype=np.uint8) == 0)[0]
            befores, added = [], []
            for anchor, indices in sorted(self.overlay.places.items()):
                for index in indices:
                    if index in self.overlay.patches:
                        befores.append(int(np.searchsorted(there, anchor, side="right")))
                        added.append(index)
            self._order = np.insert(there, befores, added)  # type: ignore[assignment]
        return self._order  # type: ignore[return-value]

    def hidden(self) -> Mask | None:
        """Which rows of the source are answered for by `hand`, or deleted; None where none is."""
        if self.overlay is None or not (self.overlay.patches or self.overlay.removed):
            return None
        if self._hidden is None:
            import numpy as np

            hidden = np.frombuffer(self.overlay.gone, dtype=np.uint8) != 0
            patched = np.fromiter(self.overlay.patches, np.int64, len(self.overlay.patches))
            hidden[patched[patched < len(hidden)]] = True
            self._hidden = hidden
        return self._hidden

    def hand(self) -> pa.RecordBatch | None:
        """The rows that were changed or added one by one, `row` last; None where there are none."""
        if self.overlay is None or not self.overlay.patches:
            return None
        if self._hand is None:
            self._hand = as_batch(list(self.overlay.patches.values()))
        return self._hand

    def find(self, filters: Filters, ticket: row_query.Ticket) -> Iterator[tuple[float, Sequence[int]]]:
        """The indices of the rows that pass, in order; first those of the rows looked at until then."""
        from core.data.search import arrow_scan

        return arrow_scan.find(self, filters, ticket)

    def counts(self, column: str) -> dict[str, int]:
        import pyarrow.compute as pc

        counts: Counter[str] = Counter()
        for _, array in self._shown(COLUMNS.index(column)):
            for pair in pc.value_counts(array):
                counts[pair["values"].as_py()] += pair["counts"].as_py()
        return dict(counts)

    def empty_reasoning(self, flag: str) -> int:
        import pyarrow.compute as pc

        empty = 0
        flags = self._shown(COLUMNS.index("sysflag")) if flag else None
        for _, array in self._shown(COLUMNS.index("reasoning")):
            without = pc.equal(pc.utf8_trim_whitespace(array), "")
            if flags is not None:
                without = pc.and_(without, pc.equal(next(flags)[1], flag))
            empty += pc.sum(without).as_py() or 0
        return empty

    def _shown(self, column: int) -> Iterator[tuple[int, pa.Array]]:
        """One column of all rows that are there, by batches, in no order."""

        hidden = self.hidden()
        for place in range(len(self.parts)):
            array = self.column(place, column)
            if hidden is not None and (here := hidden[self.starts[place] : self.starts[place + 1]]).any():
                array = array.filter(flags(~here))
            yield place, array
        if (hand := self.hand()) is not None:
            yield len(self.parts), hand.column(column)

    def batches(self, flag: str, size: int) -> Iterator[list[Row]]:
        indices = self.order()
        if flag:
            for _, indices in self.find(Filters(sysflag=flag), row_query.Asking().ticket()):  # noqa: B007 - the last is the whole
                pass
        for first in range(0, len(indices), size):
            yield self.take(indices[first : first + size])

    def record_batches(self, indices: Sequence[int] | None = None) -> Iterator[pa.RecordBatch]:
        import numpy as np
        import pyarrow as pa

        if indices is None and (self.overlay is None or self.overlay.plain) and self.hidden() is None:
            for place, start in enumerate(self.starts[:-1]):
                rows = numbers(np.arange(start, self.starts[place + 1]))
                yield pa.record_batch(
                    [*(self.column(place, i) for i in range(len(COLUMNS))), rows], names=[*COLUMNS, "row"]
                )
            return
        wanted = np.asarray(self.order() if indices is None else indices, dtype=np.int64)
        for first in range(0, len(wanted), _TAKEN):
            yield self._gathered(wanted[first : first + _TAKEN])

    def _gathered(self, wanted: Ids) -> pa.RecordBatch:
        """The rows `wanted`, in that order, as one batch."""
        import numpy as np
        import pyarrow as pa

        hand, patches = self.hand(), self.overlay.patches if self.overlay is not None else {}
        starts = np.asarray(self.starts)
        places = np.searchsorted(starts, wanted, side="right") - 1
        if patches:
            places[np.fromiter((int(index) in patches for index in wanted), bool, len(wanted))] = len(self.parts)
        if len(wanted) and (wanted.min() < 0 or (places.max() >= len(self.parts) and hand is None)):
            raise IndexError(f"rows {wanted.min()} to {wanted.max()} of {self.starts[-1]}")
        by_hand = {index: place for place, index in enumerate(patches)}
        pieces, takens = [], []
        for place in np.unique(places):
            chosen = np.nonzero(places == place)[0]
            if place == len(self.parts):
                at = numbers(np.array([by_hand[int(index)] for index in wanted[chosen]]))
                pieces.append([hand.column(i).take(at) for i in range(len(COLUMNS))])  # type: ignore[union-attr]
            else:
                at = numbers(wanted[chosen] - self.starts[place])
                pieces.append([self.column(int(place), i).take(at) for i in range(len(COLUMNS))])
            takens.append(chosen)
        if not pieces:
            return as_batch([])
        joined = [pa.concat_arrays([piece[i] for piece in pieces]) for i in range(len(COLUMNS))]
        back = numbers(np.argsort(np.concatenate(takens), kind="stable"))
        return pa.record_batch([*(array.take(back) for array in joined), numbers(wanted)], names=[*COLUMNS, "row"])


def open_mapped(path: Path) -> tuple[MappedRows, bytes]:
    """The rows of an imported file, and the bytes its last, empty batch carries. Raises OSError or pyarrow.ArrowInvalid
    where it is damaged."""
    import pyarrow as pa

    descriptor = Descriptor(path)
    file = pa.ipc.open_file(pa.memory_map(str(path)))
    batches = [file.get_batch(i) for i in range(file.num_record_batches - 1)]
    last = file.get_batch_with_custom_metadata(file.num_record_batches - 1)
    return MappedRows(batches, descriptor), last.custom_metadata[b"facts"]
