"""All kinds of edits, as lines of the journal, and their effect on the rows.

Rows are identified by index. The tags and field names are the format of the journal. A split stores its seed for the
user, and the rows it chose so that they are the same when the journal is read again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from core.base.plural import counted
from core.base.row import Row
from core.data.editing import bulk_edits
from core.data.editing.row_list import RowList, rows_without, unpack_rows
from core.data.storage.edit_table import EditTable, UndoRecord

_VALUE_CHARS = 40  # of a text in the description of an edit


class _JournalEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", omit_defaults=True):
    """The fields of every line of the journal."""

    when: float = 0.0
    """Seconds since 1970."""
    keys: list[int] = []
    """`row_keys.row_key` of each edited row of the source, as the row was in the source; empty if the edit has many
    rows."""


class ChangeRow(_JournalEntry, frozen=True, tag="change"):
    """Set some columns of one row."""

    row: int
    """Index of the row."""
    set: dict[str, str]
    """The new text of each column."""


class AddRow(_JournalEntry, frozen=True, tag="add"):
    """Add a row."""

    row: int
    """Index of the new row."""
    fields: tuple[str, str, str, str, str, str]
    """The texts of the six columns."""
    after: int | None = None
    """Index of the row it follows, None for the end."""
    copied: int | None = None
    """Index of the row it is a copy of, None if the user wrote it."""
    context: tuple[str, str, str] = ("", "", "")
    """The system prompt, the earlier turns and the tools of the row it is a copy of."""


class DeleteRows(_JournalEntry, frozen=True, tag="delete"):
    """Delete rows."""

    rows: RowList
    """Indices of the rows."""
    count: int
    """How many rows."""


class FillColumn(_JournalEntry, frozen=True, tag="fill"):
    """Set one column of many rows to the same text."""

    rows: RowList
    """Indices of the rows."""
    count: int
    """How many rows."""
    column: str
    """Name of the column."""
    value: str
    """The new text."""


class SplitRows(_JournalEntry, frozen=True, tag="split"):
    """Set sysflag to one text in a random share of the rows and to another in the rest."""

    rows: RowList
    """Indices of the rows."""
    count: int
    """How many rows."""
    share: float
    """The requested share of test rows, 0 to 1."""
    seed: int
    """The seed with which they were drawn."""
    test: str
    """The sysflag of test rows."""
    train: str
    """The sysflag of the others."""
    chosen: RowList
    """Indices of the test rows."""


class ExtractReasoning(_JournalEntry, frozen=True, tag="extract"):
    """Move reasoning between markers from output to reasoning."""

    rows: RowList
    """Indices of the rows."""
    count: int
    """How many rows."""


class RewriteRows(_JournalEntry, frozen=True, tag="rewrite"):
    """Set columns of many rows, each row to its own texts."""

    texts: list[tuple[int, dict[str, str]]]
    """The index of each row, and the new text of each column."""
    words: str
    """A description of the edit for the user."""

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.texts)


class UndoLast(_JournalEntry, frozen=True, tag="undo"):
    """Undo the last edit in force."""


class RedoLast(_JournalEntry, frozen=True, tag="redo"):
    """Redo the edit that was undone last."""


Operation = ChangeRow | AddRow | DeleteRows | FillColumn | SplitRows | ExtractReasoning | RewriteRows
JournalLine = Operation | UndoLast | RedoLast


def apply_operation(operation: Operation, table: EditTable) -> tuple[UndoRecord, int]:
    """Apply the operation to `table`; returns how to revert it, and how many rows it changed.

    Raises IndexError or ValueError if it does not fit the rows, DataError if it cannot be done now; `table` is then
    unchanged.
    """
    undo = UndoRecord()
    try:
        return undo, _APPLY[type(operation)](operation, table, undo)
    except BaseException:
        table.revert(undo)
        raise


def _change_row(operation: ChangeRow, table: EditTable, undo: UndoRecord) -> int:
    return _set_texts(operation.row, operation.set, table, undo)


def _rewrite_rows(operation: RewriteRows, table: EditTable, undo: UndoRecord) -> int:
    return sum(_set_texts(row, texts, table, undo) for row, texts in operation.texts)


def _set_texts(index: int, texts: dict[str, str], table: EditTable, undo: UndoRecord) -> int:
    before = table.row(index)
    after = msgspec.structs.replace(before, **texts)
    table.put_row(after, undo)
    return int(after != before)


def _add_row(operation: AddRow, table: EditTable, undo: UndoRecord) -> int:
    if operation.row < table.size or operation.row in table.patches:
        raise ValueError(f"there is a row {operation.row} already")
    if operation.after is not None and not table.had_row(operation.after):
        raise IndexError(f"there is no row {operation.after}")
    table.add_row(Row(*operation.fields, *operation.context, index=operation.row), operation.after, undo)
    return 1


def _delete_rows(operation: DeleteRows, table: EditTable, undo: UndoRecord) -> int:
    return bulk_edits.delete_rows(table, unpack_rows(operation.rows), undo)


def _fill_column(operation: FillColumn, table: EditTable, undo: UndoRecord) -> int:
    return bulk_edits.fill_column(table, unpack_rows(operation.rows), operation.column, operation.value, undo)


def _split_rows(operation: SplitRows, table: EditTable, undo: UndoRecord) -> int:
    test = unpack_rows(operation.chosen)
    train = rows_without(unpack_rows(operation.rows), test)
    changed = bulk_edits.fill_column(table, test, "sysflag", operation.test, undo)
    return changed + bulk_edits.fill_column(table, train, "sysflag", operation.train, undo)


def _extract_reasoning(operation: ExtractReasoning, table: EditTable, undo: UndoRecord) -> int:
    return bulk_edits.extract_reasoning(table, unpack_rows(operation.rows), undo)


_APPLY: dict[type, Callable[[Any, EditTable, UndoRecord], int]] = {
    ChangeRow: _change_row,
    AddRow: _add_row,
    DeleteRows: _delete_rows,
    FillColumn: _fill_column,
    SplitRows: _split_rows,
    ExtractReasoning: _extract_reasoning,
    RewriteRows: _rewrite_rows,
}


def describe_operation(operation: Operation) -> tuple[str, int]:
    """A description of the operation for the user (foreign text inside), and the index of the row to show, -1 for
    none."""
    if isinstance(operation, ChangeRow):
        return f"{', '.join(operation.set)} of row {operation.row} changed", operation.row
    if isinstance(operation, AddRow):
        if operation.copied is None:
            return f"row {operation.row} added", operation.row
        return f"row {operation.copied} duplicated as {operation.row}", operation.row
    if isinstance(operation, RewriteRows):
        plural = "s" if operation.count != 1 else ""
        first = operation.texts[0][0] if operation.texts else -1
        return f"{operation.words}: {operation.count:,} row{plural}", first
    rows = unpack_rows(operation.rows)
    first = int(rows[0]) if len(rows) else -1
    row_words = f"row {first}" if operation.count == 1 else counted(operation.count, "row")
    if isinstance(operation, DeleteRows):
        return f"{row_words} deleted", first
    if isinstance(operation, FillColumn):
        value = operation.value
        if len(value) > _VALUE_CHARS:
            value = value[:_VALUE_CHARS] + "…"
        return f"{operation.column} of {row_words} set to {value or 'nothing'}", first
    if isinstance(operation, SplitRows):
        sides = f"{operation.test} ({operation.share:.0%}) and {operation.train}"
        return f"{row_words} split into {sides}, seed {operation.seed}", first
    return f"reasoning of {row_words} moved into its column", first
