"""The interface of all kinds of stored rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from core.base.row import Row

if TYPE_CHECKING:
    import pyarrow as pa


class RowPages(Protocol):
    """Rows that can be shown page by page. Rows that are not imported yet have only this interface.

    The index of a row never changes; `order` is the order in which the rows are shown.
    """

    def __len__(self) -> int: ...

    @property
    def highest(self) -> int:
        """The largest index a row can have, -1 if there are no rows."""
        ...

    def row(self, index: int) -> Row:
        """The row with this index. Raises IndexError if there is none."""
        ...

    def take(self, indices: Sequence[int]) -> list[Row]:
        """The rows with these indices, in this order. Raises IndexError if one does not exist."""
        ...

    def order(self) -> Sequence[int]:
        """The indices of all rows in the order in which they are shown."""
        ...


class RowStore(RowPages, Protocol):
    """Rows that are completely imported, so that they can be searched, counted, edited and exported."""

    def record_batches(self, indices: Sequence[int] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows `indices` in that order, all rows if None: a string column for each of `FIELDS`, and `row`, the
        index as int64."""
        ...

    def extras(self, indices: Sequence[int]) -> list[str]:
        """For each of the rows `indices` of the source, the text that keeps its other columns, see
        `extra_columns.extra_text`; empty for a row that is not in the source."""
        ...


class EditCounts(msgspec.Struct, frozen=True):
    """How far the edited rows differ from the source. False if they are equal."""

    changed: int = 0
    """Rows of the source with a different text."""
    added: int = 0
    """Rows that the user added."""
    deleted: int = 0
    """Rows of the source that are deleted."""

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.deleted)
