"""The user's edits of a source at one moment, for readers in any thread.

A row that was edited by itself is kept as a complete row (`patches`). Edits of many rows are kept as complete columns
in the batches of the source (`ReplacedColumn`), so that a million changed cells are not a million objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from core.base.row import Row

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.data.storage.column_files import FileDescriptor
    from core.data.storage.row_store import RowStore


@dataclass(frozen=True)
class ReplacedColumn:
    """New texts of one column for all rows of the source."""

    arrays: list[pa.Array]
    """One string array for each batch of the source."""
    file: FileDescriptor | None
    """The file from which the arrays are mapped, None if they are in memory."""
    differs: np.ndarray[Any, np.dtype[np.bool_]]
    """Whether the text differs from the source's, by row index, shape (rows of the source,)."""


@dataclass(frozen=True)
class EditOverlay:
    """All edits in force at one moment. Never changes."""

    patches: dict[int, Row]
    """Rows that were changed or added one by one, by index."""
    columns: dict[str, ReplacedColumn]
    """Columns that bulk edits replaced, by name."""
    deleted: bytes
    """One byte for each row of the source, 1 if it is deleted."""
    deleted_count: int
    """How many rows of the source are deleted."""
    added_after: dict[int, tuple[int, ...]]
    """Indices of added rows in order, by the row of the source that they follow (-1 for the start). May contain added
    rows that are deleted."""
    highest: int
    """The largest index that a row has or had."""
    length: int
    """How many rows there are."""

    @property
    def keeps_source_rows(self) -> bool:
        """Whether the rows shown are exactly those of the source, in its order; their texts may differ."""
        return not self.deleted_count and self.length == len(self.deleted)

    def added_rows(self, anchor: int) -> list[Row]:
        """The added rows that follow the row `anchor` of the source, -1 for the start."""
        return [self.patches[index] for index in self.added_after.get(anchor, ()) if index in self.patches]

    def changed_count(self, source_rows: EditableRows) -> int:
        """How many rows of the source are not deleted and have a text that differs from the source's."""
        size = len(self.deleted)
        changed = sum(index < size and row != source_rows.row(index) for index, row in self.patches.items())
        if self.columns:
            import numpy as np

            differs = np.any([replaced.differs for replaced in self.columns.values()], axis=0)
            differs &= np.frombuffer(self.deleted, dtype=np.uint8) == 0
            differs[np.fromiter((index for index in self.patches if index < size), np.int64)] = False
            changed += int(differs.sum())
        return changed

    def filled_columns(self, missing: Iterable[str]) -> set[str]:
        """The columns among `missing` that have a text in some row. missing: columns that the source does not have."""
        missing_columns = set(missing)
        filled = {column for column in missing_columns if column in self.columns and self.columns[column].differs.any()}
        for row in self.patches.values() if missing_columns else ():
            filled |= {column for column in missing_columns - filled if getattr(row, column)}
        return filled


class EditableRows(Protocol):
    """Rows of a source to which edits can be applied."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row:
        """The row of the source with this index. Raises IndexError if there is none."""
        ...

    def with_overlay(self, overlay: EditOverlay) -> RowStore:
        """The rows with these edits."""
        ...
