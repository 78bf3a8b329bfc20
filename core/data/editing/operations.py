"""The edits there are, as lines of the journal, and what each does to the rows. The same line does the same wherever it
is read.

Rows are named by index. A split keeps its seed for people and the rows it chose for whoever reads it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from core.base.row import COLUMNS, Row
from core.data.editing import bulk
from core.data.editing.row_list import RowList, unpack, without
from core.data.storage.edit_overlay import Edits, Undo

Fields = tuple[str, str, str, str, str, str]


class _Operation(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag=str.lower, omit_defaults=True):
    """when: seconds since 1970; keys: for each row of the source that it names `keying.key` of its text there, while
    these are few."""

    when: float = 0.0
    keys: list[int] = []


class Change(_Operation, frozen=True):
    row: int
    set: dict[str, str]


class Add(_Operation, frozen=True):
    """after: the row it stands behind, None for the end; copied: the row it is a copy of, None where it was written."""

    row: int
    fields: Fields
    after: int | None = None
    copied: int | None = None


class Delete(_Operation, frozen=True):
    rows: RowList
    count: int


class Fill(_Operation, frozen=True):
    rows: RowList
    count: int
    column: str
    value: str


class Split(_Operation, frozen=True):
    rows: RowList
    count: int
    share: float
    seed: int
    test: str
    train: str
    chosen: RowList


class Extract(_Operation, frozen=True):
    rows: RowList
    count: int


class Rewrite(_Operation, frozen=True):
    """texts: for each row the columns that get a text of their own; words: what was done to them, for people."""

    texts: list[tuple[int, dict[str, str]]]
    words: str

    @property
    def count(self) -> int:
        return len(self.texts)


class Undone(_Operation, frozen=True, tag="undo"):
    pass


class Redone(_Operation, frozen=True, tag="redo"):
    pass


Operation = Change | Add | Delete | Fill | Split | Extract | Rewrite
Line = Operation | Undone | Redone


def apply(operation: Operation, edits: Edits) -> tuple[Undo, int]:
    """What it touched, and the number of rows it changed.

    Raises IndexError or ValueError where the line does not fit the rows, DataError where it cannot be done now; `edits`
    is then as before.
    """
    undo = Undo()
    try:
        return undo, _APPLY[type(operation)](operation, edits, undo)
    except BaseException:
        edits.revert(undo)
        raise


def _change(operation: Change, edits: Edits, undo: Undo) -> int:
    return _set(operation.row, operation.set, edits, undo)


def _rewrite(operation: Rewrite, edits: Edits, undo: Undo) -> int:
    return sum(_set(row, texts, edits, undo) for row, texts in operation.texts)


def _set(row: int, texts: dict[str, str], edits: Edits, undo: Undo) -> int:
    before = edits.row(row)
    after = Row(**{column: texts.get(column, getattr(before, column)) for column in COLUMNS}, index=row)
    edits.put(after, undo)
    return int(after != before)


def _add(operation: Add, edits: Edits, undo: Undo) -> int:
    if operation.row < edits.size or operation.row in edits.patches:
        raise ValueError(f"there is a row {operation.row} already")
    if operation.after is not None and not edits.known(operation.after):
        raise IndexError(f"there is no row {operation.after}")
    edits.add(Row(*operation.fields, index=operation.row), operation.after, undo)
    return 1


def _delete(operation: Delete, edits: Edits, undo: Undo) -> int:
    return bulk.remove(edits, unpack(operation.rows), undo)


def _fill(operation: Fill, edits: Edits, undo: Undo) -> int:
    return bulk.fill(edits, unpack(operation.rows), operation.column, operation.value, undo)


def _split(operation: Split, edits: Edits, undo: Undo) -> int:
    test = unpack(operation.chosen)
    train = without(unpack(operation.rows), test)
    changed = bulk.fill(edits, test, "sysflag", operation.test, undo)
    return changed + bulk.fill(edits, train, "sysflag", operation.train, undo)


def _extract(operation: Extract, edits: Edits, undo: Undo) -> int:
    return bulk.extract_reasoning(edits, unpack(operation.rows), undo)


_APPLY: dict[type, Callable[[Any, Edits, Undo], int]] = {
    Change: _change, Add: _add, Delete: _delete, Fill: _fill, Split: _split, Extract: _extract, Rewrite: _rewrite,
}  # fmt: skip


def step(operation: Operation) -> tuple[str, int]:
    """Words for people (foreign text inside), and the row to go to; -1 where it is about none in particular."""
    if isinstance(operation, Change):
        return f"{', '.join(operation.set)} of row {operation.row} changed", operation.row
    if isinstance(operation, Add):
        return (
            f"row {operation.row} added"
            if operation.copied is None
            else f"row {operation.copied} duplicated as {operation.row}",
            operation.row,
        )
    if isinstance(operation, Rewrite):
        return f"{operation.words}: {operation.count:,} row{'s' if operation.count != 1 else ''}", operation.texts[0][
            0
        ] if operation.texts else -1
    rows = unpack(operation.rows)
    first = int(rows[0]) if len(rows) else -1
    which = f"row {first}" if operation.count == 1 else f"{operation.count:,} rows"
    if isinstance(operation, Delete):
        return f"{which} deleted", first
    if isinstance(operation, Fill):
        value = operation.value if len(operation.value) <= 40 else operation.value[:40] + "…"
        return f"{operation.column} of {which} set to {value or 'nothing'}", first
    if isinstance(operation, Split):
        return (
            f"{which} split into {operation.test} ({operation.share:.0%}) and {operation.train}, seed {operation.seed}",
            first,
        )
    return f"reasoning of {which} moved into its column", first
