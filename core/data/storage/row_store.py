"""What rows of every kind answer: in memory, mapped, early ones, and those with edits over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from core.base.row import Row
from core.data.filters import Filters
from core.data.problems import Problem
from core.data.search.row_query import Asking, Ticket

if TYPE_CHECKING:
    import pyarrow as pa


class Rows(Protocol):
    """An index names a row for good; `order` is the order in which they are shown."""

    def __len__(self) -> int: ...

    @property
    def highest(self) -> int: ...

    def row(self, index: int) -> Row: ...

    def take(self, indices: Sequence[int]) -> list[Row]: ...

    def order(self) -> Sequence[int]: ...

    def find(self, filters: Filters, ticket: Ticket) -> Iterator[tuple[float, Sequence[int]]]: ...

    def counts(self, column: str) -> dict[str, int]: ...

    def batches(self, flag: str, size: int) -> Iterator[list[Row]]: ...

    def empty_reasoning(self, flag: str) -> int: ...

    def record_batches(self, indices: Sequence[int] | None) -> Iterator[pa.RecordBatch]: ...


class Changes(msgspec.Struct, frozen=True):
    """How many rows of the source differ from it, how many came by hand, how many were taken out."""

    changed: int = 0
    added: int = 0
    deleted: int = 0

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.deleted)


class InForce(Protocol):
    """The edits in force over a source's rows. columns: those that the source lacks and that now hold a text; history,
    mark: the editor's own."""

    rows: Rows
    digest: str
    problems: list[Problem]
    columns: set[str]
    asking: Asking
    history: Any
    mark: Any

    @property
    def changes(self) -> Changes: ...
