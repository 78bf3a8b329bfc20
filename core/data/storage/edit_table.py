"""The edits of one editor: changed cells, deleted and added rows, and how to revert each step.

Knows neither files nor the journal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.base.row import FIELDS, Row
from core.data.storage.edit_overlay import EditableRows, EditOverlay, ReplacedColumn

if TYPE_CHECKING:
    import numpy as np


@dataclass
class UndoRecord:
    """The state before one edit of all rows and columns that it changed."""

    patches: dict[int, Row | None] = field(default_factory=dict)
    """The patch of each row, None if it had none."""
    columns: dict[str, ReplacedColumn | None] = field(default_factory=dict)
    """Each replaced column, None if it was the source's."""
    deleted: Sequence[int] = ()
    """Rows of the source that the edit deleted."""
    added: int | None = None
    """Index of the row that the edit added."""


class EditTable:
    """The rows of `base` as edited so far.

    Every change stores the former state in an `UndoRecord`. Reverting the records in the opposite order restores it.
    """

    def __init__(self, base: EditableRows) -> None:
        self.base = base
        self.size = len(base)
        self.patches: dict[int, Row] = {}
        self.columns: dict[str, ReplacedColumn] = {}
        self.deleted = bytearray(self.size)
        self.deleted_count = 0
        self.next_index = self.size
        self._added_after: dict[int, list[int]] = {}
        self._anchors: dict[int, int] = {}

    def has_row(self, index: int) -> bool:
        """Whether there is such a row."""
        return index in self.patches or (0 <= index < self.size and not self.deleted[index])

    def had_row(self, index: int) -> bool:
        """Whether there is such a row, or was one before it was deleted."""
        return 0 <= index < self.size or index in self._anchors

    def row(self, index: int) -> Row:
        """The row as edited. Raises IndexError if there is none."""
        if (patch := self.patches.get(index)) is not None:
            return patch
        if not 0 <= index < self.size or self.deleted[index]:
            raise IndexError(f"row {index} of {self.size}")
        return self._unpatched_row(index)

    def _unpatched_row(self, index: int) -> Row:
        """The row of the source with the replaced columns."""
        row = self.base.row(index)
        if not self.columns:
            return row
        starts: list[int] = self.base.starts  # type: ignore[attr-defined]  # only Arrow rows get replaced columns
        batch = bisect_right(starts, index) - 1
        offset = index - starts[batch]
        texts = {name: replaced.arrays[batch][offset].as_py() for name, replaced in self.columns.items()}
        return Row(*(texts.get(name, getattr(row, name)) for name in FIELDS), index=index)  # type: ignore[misc]

    def put_row(self, row: Row, undo: UndoRecord) -> None:
        """Set the row with the index of `row`."""
        undo.patches.setdefault(row.index, self.patches.get(row.index))
        if row.index < self.size and row == self._unpatched_row(row.index):
            self.patches.pop(row.index, None)
        else:
            self.patches[row.index] = row

    def add_row(self, row: Row, after: int | None, undo: UndoRecord) -> None:
        """Add a row after the row `after`, at the end if None."""
        anchor = self.size - 1 if after is None else self._anchors.get(after, after)
        siblings = self._added_after.setdefault(anchor, [])
        if after is None:
            siblings.append(row.index)
        else:
            siblings.insert(siblings.index(after) + 1 if after in siblings else 0, row.index)
        self._anchors[row.index] = anchor
        undo.added = row.index
        self.next_index = max(self.next_index, row.index + 1)
        undo.patches.setdefault(row.index, None)
        self.patches[row.index] = row

    def delete_rows(self, indices: Iterable[int], undo: UndoRecord) -> None:
        """Delete a few rows, all of which exist."""
        deleted = []
        for index in indices:
            if index in self.patches:
                undo.patches.setdefault(index, self.patches.pop(index))
            if index < self.size:
                self.deleted[index] = 1
                deleted.append(index)
        self.deleted_count += len(deleted)
        undo.deleted = deleted

    def delete_many_rows(self, indices: np.ndarray[Any, np.dtype[np.int64]], undo: UndoRecord) -> None:
        """Like `delete_rows`, for many rows: without a Python loop over `indices`."""
        import numpy as np

        source = indices[indices < self.size]
        np.frombuffer(self.deleted, dtype=np.uint8)[source] = 1
        patched = np.fromiter(self.patches, np.int64, len(self.patches))
        for index in patched[np.isin(patched, indices)].tolist():
            undo.patches.setdefault(index, self.patches.pop(index))
        self.deleted_count += len(source)
        undo.deleted = source  # type: ignore[assignment]  # an array is a sequence in every way used here

    def replace_column(self, column: str, replaced: ReplacedColumn, undo: UndoRecord) -> None:
        """Set one column of all rows of the source. Patched rows keep their own text."""
        undo.columns.setdefault(column, self.columns.get(column))
        self.columns[column] = replaced

    def revert(self, undo: UndoRecord) -> None:
        """Revert the last edit. undo: its record."""
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
        if undo.added is not None:
            self._added_after[self._anchors.pop(undo.added)].remove(undo.added)
        self.deleted_count -= len(undo.deleted)
        if isinstance(undo.deleted, list | tuple):
            for index in undo.deleted:
                self.deleted[index] = 0
        else:
            import numpy as np

            np.frombuffer(self.deleted, dtype=np.uint8)[undo.deleted] = 0

    def overlay(self) -> EditOverlay:
        """A copy of the current edits, for readers."""
        added = sum(index >= self.size for index in self.patches)
        return EditOverlay(
            patches=dict(self.patches),
            columns=dict(self.columns),
            deleted=bytes(self.deleted),
            deleted_count=self.deleted_count,
            added_after={anchor: tuple(indices) for anchor, indices in self._added_after.items()},
            highest=self.next_index - 1,
            length=self.size - self.deleted_count + added,
        )
