"""The edits of one source with their journal, open for writing.

An operation is applied, then written, and counts once it is on disk. It is reverted where it cannot be written.
"""

from __future__ import annotations

import time
from pathlib import Path

from core.base.errors import DataError
from core.data.dataset import DataSet
from core.data.editing.applied_edits import EditHistory, apply_edits, replay_journal
from core.data.editing.journal import EditJournal, backup_path
from core.data.editing.operations import JournalLine, Operation, RedoLast, UndoLast
from core.data.editing.rebase import FEW_ROWS, save_row_keys
from core.data.storage.edit_table import EditTable


class UndoableEdits:
    """The edits of one source, locked for this process until `close`. For one thread.

    `dataset` has all edits so far; every edit makes a new one. Raises DataError if another process edits the source, or
    the journal cannot be read or written.
    """

    def __init__(self, dataset: DataSet, journal: Path) -> None:
        self.source = dataset.unedited()
        self._journal = EditJournal(journal)
        try:
            self._history, self._has_header = self._load(dataset)
            if dataset.edits is not None and dataset.edits.history is self._history:
                self.dataset = dataset
            else:
                self.dataset = apply_edits(self.source, self._history)
        except BaseException:
            self._journal.close()
            raise

    def _load(self, dataset: DataSet) -> tuple[EditHistory, bool]:
        """The history, and whether the journal has its header yet."""
        known = dataset.edits
        if known is not None and known.position == known.history.position == self._journal.position:
            return known.history, True
        contents = self._journal.read()
        history, rebased = replay_journal(self.source, contents, self._journal.path, self._journal.position)
        if rebased is not contents:
            backup = backup_path(self._journal.path)
            self._journal.start_over(self.source.fingerprint, history.table.size, rebased, backup)
            history.position = self._journal.position
        return history, contents.header is not None

    def close(self) -> None:
        """Let another process edit. The data set stays readable."""
        self._journal.close()

    @property
    def table(self) -> EditTable:
        """The rows as edited."""
        return self._history.table

    @property
    def done(self) -> list[Operation]:
        """The edits in force, the oldest first."""
        return [applied.operation for applied in self._history.done]

    @property
    def undone(self) -> list[Operation]:
        """The edits that `redo` brings back, the next one last."""
        return self._history.undone

    def apply(self, operation: Operation) -> int:
        """Apply and write an operation; returns how many rows it changed. An operation that changes nothing is not
        written.

        Raises DataError, without changing anything, if a row does not exist or the journal cannot be written.
        """
        count = self._apply_to_rows(operation)
        try:
            if not count:
                self._history.revert_last()
                return 0
            if not self._has_header:
                self._journal.write_header(self.source.fingerprint, self.table.size)
                self._has_header = True
            if getattr(operation, "count", 0) > FEW_ROWS:
                self._save_row_keys()
            self._write(operation)
        except BaseException:
            if count:
                self._history.revert_last()
            raise
        self._history.undone.clear()
        self._publish()
        return count

    def undo(self) -> Operation | None:
        """Undo the last edit; None if there is none. Raises DataError if the journal cannot be written."""
        if not self._history.done:
            return None
        operation = self._history.done[-1].operation
        self._history.revert_last()
        try:
            self._write(UndoLast(when=time.time()))
        except BaseException:
            self._history.apply(operation)
            raise
        self._history.undone.append(operation)
        self._publish()
        return operation

    def redo(self) -> Operation | None:
        """Redo the edit that was undone last; None if there is none. Raises DataError like `apply`."""
        if not self._history.undone:
            return None
        operation = self._history.undone[-1]
        self._apply_to_rows(operation)
        try:
            self._write(RedoLast(when=time.time()))
        except BaseException:
            self._history.revert_last()
            raise
        self._history.undone.pop()
        self._publish()
        return operation

    def _apply_to_rows(self, operation: Operation) -> int:
        try:
            return self._history.apply(operation)
        except (IndexError, ValueError) as error:
            what = f"the edit does not fit the rows ({error})"
            raise DataError(what, self.source.name, "Look at the rows again") from error

    def _save_row_keys(self) -> None:
        try:
            save_row_keys(self._journal.path, self.source.fingerprint, self.table.base)
        except OSError as error:
            what = f"the edit cannot be saved ({error.strerror})"
            raise DataError(what, str(self._journal.path.parent), "Free space there and edit again") from error

    def _write(self, line: JournalLine) -> None:
        self._journal.append(line)
        self._history.position = self._journal.position

    def _publish(self) -> None:
        self.dataset = apply_edits(self.source, self._history)
