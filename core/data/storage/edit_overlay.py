"""What a person's edits make of the rows of a source: cells, rows taken out, rows put in. Knows neither files nor undo.

`Edits` is the table one editor works on; `Overlay` is how it stood at one moment, for readers in any thread. Single
changes are kept as whole rows, changes of many rows as whole columns in the source's batches (`Replaced`), so that a
million changed cells are no million objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from core.base.row import COLUMNS, Row

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.data.storage.column_files import Descriptor
    from core.data.storage.row_store import Rows


@dataclass(frozen=True)
class Replaced:
    """One column of all rows of the source, in its batches. differs: by index, whether the text is another than the
    source's; file: where the arrays are mapped from, None where they lie in memory."""

    arrays: list[pa.Array]
    file: Descriptor | None
    differs: np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Overlay:
    """patches: rows changed or added one by one, whole; gone: a byte for each row of the source, 1 where deleted;
    removed: how many; places: the indices of added rows by the row of the source they follow (-1 at the start), in
    order; also such as were deleted again."""

    patches: dict[int, Row]
    columns: dict[str, Replaced]
    gone: bytes
    removed: int
    places: dict[int, tuple[int, ...]]
    highest: int
    length: int

    @property
    def plain(self) -> bool:
        """Whether the rows shown are those of the source, in its order."""
        return not self.removed and self.length == len(self.gone)

    def found(self, index: int) -> list[Row]:
        return [self.patches[index]] if index in self.patches else []

    def changed(self, base: Edited) -> int:
        """How many rows of the source stand there with another text than the source's."""
        size = len(self.gone)
        changed = sum(index < size and row != base.row(index) for index, row in self.patches.items())
        if self.columns:
            import numpy as np

            differs = np.any([replaced.differs for replaced in self.columns.values()], axis=0) & (
                np.frombuffer(self.gone, dtype=np.uint8) == 0
            )
            differs[np.fromiter((index for index in self.patches if index < size), np.int64)] = False
            changed += int(differs.sum())
        return changed

    def filled(self, columns: Iterable[str]) -> set[str]:
        """Those of `columns`, which the source lacks, that now hold a text somewhere."""
        wanted = set(columns)
        there = {column for column in wanted if column in self.columns and self.columns[column].differs.any()}
        for row in self.patches.values() if wanted else ():
            there |= {column for column in wanted - there if getattr(row, column)}
        return there


class Edited(Protocol):
    """Rows of a source that can show themselves as an overlay has them: `held` and `mapped`."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...

    def edited(self, overlay: Overlay) -> Rows: ...


@dataclass
class Undo:
    """How what an edit touched was before."""

    patches: dict[int, Row | None] = field(default_factory=dict)
    columns: dict[str, Replaced | None] = field(default_factory=dict)
    removed: Sequence[int] = ()
    placed: int | None = None


class Edits:
    """Rows of `base` as edited so far. Every change tells an `Undo` what it touched; undone in the opposite order, all
    is as it was."""

    def __init__(self, base: Edited) -> None:
        self.base = base
        self.size = len(base)
        self.patches: dict[int, Row] = {}
        self.columns: dict[str, Replaced] = {}
        self.gone = bytearray(self.size)
        self.removed = 0
        self.places: dict[int, list[int]] = {}
        self._anchors: dict[int, int] = {}
        self.next = self.size

    def has(self, index: int) -> bool:
        return index in self.patches or (0 <= index < self.size and not self.gone[index])

    def known(self, index: int) -> bool:
        """Whether there is or was such a row."""
        return 0 <= index < self.size or index in self._anchors

    def row(self, index: int) -> Row:
        """The row as it stands. Raises IndexError where there is none."""
        if (patch := self.patches.get(index)) is not None:
            return patch
        if not 0 <= index < self.size or self.gone[index]:
            raise IndexError(f"row {index} of {self.size}")
        return self.beneath(index)

    def beneath(self, index: int) -> Row:
        """The row of the source with the columns that were replaced."""
        row = self.base.row(index)
        if not self.columns:
            return row
        place, offset = self._place(index)
        texts = {name: replaced.arrays[place][offset].as_py() for name, replaced in self.columns.items()}
        return Row(*(texts.get(name, getattr(row, name)) for name in COLUMNS), index=index)  # type: ignore[misc]

    def _place(self, index: int) -> tuple[int, int]:
        from bisect import bisect_right

        starts: list[int] = self.base.starts  # type: ignore[attr-defined]  # columns are replaced in mapped rows alone
        place = bisect_right(starts, index) - 1
        return place, index - starts[place]

    def put(self, row: Row, undo: Undo) -> None:
        """The row takes the place of what its index named."""
        undo.patches.setdefault(row.index, self.patches.get(row.index))
        if row.index < self.size and row == self.beneath(row.index):
            self.patches.pop(row.index, None)
        else:
            self.patches[row.index] = row

    def add(self, row: Row, after: int | None, undo: Undo) -> None:
        """A new row behind the row `after`, at the end where None."""
        anchor = self.size - 1 if after is None else self._anchors.get(after, after)
        behind = self.places.setdefault(anchor, [])
        behind.insert(len(behind) if after is None else behind.index(after) + 1 if after in behind else 0, row.index)
        self._anchors[row.index] = anchor
        undo.placed = row.index
        self.next = max(self.next, row.index + 1)
        undo.patches.setdefault(row.index, None)
        self.patches[row.index] = row

    def remove(self, indices: Iterable[int], undo: Undo) -> None:
        restored = []
        for index in indices:
            if index in self.patches:
                undo.patches.setdefault(index, self.patches.pop(index))
            if index < self.size:
                self.gone[index] = 1
                restored.append(index)
        self.removed += len(restored)
        undo.removed = restored

    def remove_many(self, indices: np.ndarray[Any, np.dtype[np.int64]], undo: Undo) -> None:
        import numpy as np

        source = indices[indices < self.size]
        np.frombuffer(self.gone, dtype=np.uint8)[source] = 1
        patched = np.fromiter(self.patches, np.int64, len(self.patches))
        for index in patched[np.isin(patched, indices)].tolist():
            undo.patches.setdefault(index, self.patches.pop(index))
        self.removed += len(source)
        undo.removed = source  # type: ignore[assignment]  # an array is a sequence in all that is used

    def replace(self, column: str, replaced: Replaced, undo: Undo) -> None:
        undo.columns.setdefault(column, self.columns.get(column))
        self.columns[column] = replaced

    def revert(self, undo: Undo) -> None:
        for index, row in undo.patches.items():
            if row is None:
                self.patches.pop(index, None)
            else:
                self.patches[index] = row
        for column, replaced in undo.columns.items():
            if replaced is None:
                self.columns.pop(column, None)
            else:
                self.columns[column] = replaced
        if undo.placed is not None:
            self.places[self._anchors.pop(undo.placed)].remove(undo.placed)
        self.removed -= len(undo.removed)
        if isinstance(undo.removed, list | tuple):
            for index in undo.removed:
                self.gone[index] = 0
        else:
            import numpy as np

            np.frombuffer(self.gone, dtype=np.uint8)[undo.removed] = 0

    def overlay(self) -> Overlay:
        added = sum(index >= self.size for index in self.patches)
        places = {anchor: tuple(indices) for anchor, indices in self.places.items()}
        length = self.size - self.removed + added
        return Overlay(
            dict(self.patches), dict(self.columns), bytes(self.gone), self.removed, places, self.next - 1, length
        )
