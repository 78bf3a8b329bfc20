"""The history of the edits of one source, the resulting table, and undo. Writes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from core.base.row import COLUMNS
from core.data.dataset import DataSet
from core.data.problems import RowProblem
from core.data.storage.edit_overlay import EditableRows
from core.data.storage.edit_table import EditTable, UndoRecord
from core.data.storage.row_store import EditCounts, RowStore

if TYPE_CHECKING:
    from core.data.editing.journal import JournalContents, JournalPosition
    from core.data.editing.operations import Operation

_COLUMN_UNDOS = 8  # so many column edits have an undo record; older ones are undone by applying all before them again
_encode = msgspec.json.Encoder(order="deterministic").encode


class AppliedOperation(NamedTuple):
    """One edit in force."""

    operation: Operation
    """The operation."""
    undo: UndoRecord | None
    """How to revert it; None for an old edit of complete columns, whose record would keep the former texts on disk."""
    digest: str
    """Names this edit and all before it."""


@dataclass
class EditHistory:
    """The edits of one source so far, the table after them, and how to undo them. Belongs to one editor at a time."""

    table: EditTable
    """The rows as edited."""
    done: list[AppliedOperation] = field(default_factory=list)
    """The edits in force, the oldest first."""
    undone: list[Operation] = field(default_factory=list)
    """The edits that redo brings back, the next one last."""
    problems: list[RowProblem] = field(default_factory=list)
    """Lines of the journal that could not be read or do not fit the rows."""
    position: JournalPosition | None = None
    """The position up to which the journal is applied; None if the journal is for another version of the source."""

    def apply(self, operation: Operation) -> int:
        """Apply the operation; returns how many rows it changed. Raises like `operations.apply_operation`."""
        from core.data.editing.operations import apply_operation

        undo, count = apply_operation(operation, self.table)
        encoded = _encode(msgspec.structs.replace(operation, when=0.0))
        digest = hashlib.blake2b(self.digest.encode() + encoded, digest_size=8).hexdigest()
        self.done.append(AppliedOperation(operation, undo, digest))
        if undo.columns:
            self._drop_old_column_undos()
        return count

    def _drop_old_column_undos(self) -> None:
        with_columns = []
        for number, applied in enumerate(self.done):
            if applied.undo is not None and applied.undo.columns:
                with_columns.append(number)
        for number in with_columns[:-_COLUMN_UNDOS]:
            self.done[number] = self.done[number]._replace(undo=None)

    def skip(self, operation: Operation) -> None:
        """Record an edit that does not fit the rows, so that the history has as many edits as the journal."""
        self.done.append(AppliedOperation(operation, UndoRecord(), self.digest))

    def revert_last(self) -> None:
        """Revert the last edit."""
        last = self.done.pop()
        if last.undo is not None:
            self.table.revert(last.undo)
            return
        done, before = self.done, self.table
        self.done, self.table = [], EditTable(before.base)
        try:
            for applied in done:
                self.apply(applied.operation)
        except BaseException:
            self.done, self.table = [*done, last], before
            raise
        self.table.next_index = before.next_index

    @property
    def digest(self) -> str:
        """Names the edits in force; empty if there are none."""
        return self.done[-1].digest if self.done else ""


class HistorySnapshot:
    """The edits in force at one moment, as a data set shows them (`dataset.EditsInForce`)."""

    def __init__(self, history: EditHistory, source: DataSet) -> None:
        self._source_rows: EditableRows = source.base  # type: ignore[assignment]  # imported rows can be edited
        self._overlay = history.table.overlay()
        self.rows: RowStore = self._source_rows.with_overlay(self._overlay)
        self.digest = history.digest
        self.problems = history.problems
        missing = [column for column in COLUMNS if column not in source.source_columns]
        self.columns = self._overlay.filled_columns(missing)
        self.running_queries = source.running_queries
        self.history = history
        self.position = history.position

    @cached_property
    def counts(self) -> EditCounts:
        """How far the rows differ from the source."""
        added = sum(index >= len(self._overlay.deleted) for index in self._overlay.patches)
        return EditCounts(self._overlay.changed_count(self._source_rows), added, self._overlay.deleted_count)


def replay_journal(
    dataset: DataSet, contents: JournalContents, journal: Path, position: JournalPosition
) -> tuple[EditHistory, JournalContents]:
    """The history after applying the journal to the rows of the source; and the contents of the journal, rebased if the
    source has changed since they were written."""
    base: Any = dataset.base
    history = EditHistory(EditTable(base), position=position)
    if contents.header is not None and contents.header.base != dataset.fingerprint:
        from core.data.editing.rebase import rebase_journal

        contents = rebase_journal(contents, base, journal)
        history.position = None
    history.table.next_index = max(history.table.next_index, contents.highest + 1)
    for number, why in contents.unreadable:
        what = f"this line of the edits cannot be read and is skipped ({why})"
        history.problems.append(RowProblem(number, what, journal.name))
    for unfit in contents.unfit:
        history.problems.append(_unfit_problem(unfit.edit, unfit.why))
    for operation in contents.done:
        try:
            history.apply(operation)
        except (IndexError, ValueError) as error:
            history.problems.append(_unfit_problem(operation, str(error)))
            history.skip(operation)
    history.undone = contents.undone
    return history, contents


def _unfit_problem(operation: Operation, why: str) -> RowProblem:
    from core.data.editing.operations import describe_operation

    words, index = describe_operation(operation)
    return RowProblem(max(index, 0), f"an edit no longer fits and is skipped: {words} ({why})")


def apply_edits(source: DataSet, history: EditHistory) -> DataSet:
    """The unedited data set `source` with the edits of `history`."""
    return DataSet(
        source.name,
        source.source,
        source.split,
        source.base,
        source.facts,
        source.origin,
        HistorySnapshot(history, source),
    )
