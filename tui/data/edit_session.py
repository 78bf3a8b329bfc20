"""The edit session: edits to the rows of the open source, one after the other. Knows no widget.

Edits go to the journal one at a time, in a thread, and each leaves a new data set. The source itself is never changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from core.base.errors import DataError, SuironError, UsageError
from core.base.plural import counted
from core.base.row import Row
from core.base.safe_text import safe_line
from tui.actions import key_of

if TYPE_CHECKING:
    import numpy as np

    from core.data.dataset import DataSet
    from core.data.editing.editor import EditStep, RowEditor
    from core.data.editing.field_drafts import FieldDraft
    from core.quality.report import FindingGroup
    from tui.data.dialogs.bulk import BulkChange

T = TypeVar("T")


class EditResult(msgspec.Struct, frozen=True):
    """An edit that is on disk."""

    words: str
    """What was done and how to undo it, safe text."""
    row: int | None = None
    """Index of the row to go to; None to stay."""


class EditPort(Protocol):
    """What the session needs of the screen."""

    @property
    def dataset(self) -> DataSet | None:
        """The open data set, with all edits so far."""

    def show_edited(self, dataset: DataSet) -> None:
        """Show the data set after an edit."""

    def show_journal_folder(self, folder: Path) -> None:
        """Say that edits are kept in this folder, because nothing can be written beside the data."""


class EditSession:
    """Holds the journal from the first edit on, until `close`; no other process can edit the source meanwhile.

    Every edit raises SuironError if it cannot be saved; the rows then stay as they were.
    """

    def __init__(self, port: EditPort) -> None:
        self._port = port
        self._editor: RowEditor | None = None
        self._lock = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether the journal is held."""
        return self._editor is not None

    @property
    def journal_folder(self) -> Path | None:
        """Where the edits are kept; None before the first edit."""
        return self._editor.where if self._editor is not None else None

    async def close(self) -> None:
        """Release the journal, after the edit that is being written."""
        async with self._lock:
            editor, self._editor = self._editor, None
            if editor is not None:
                await asyncio.to_thread(editor.close)

    async def make_edit(self, edit: Callable[[RowEditor], T]) -> T:
        """Run `edit` in a thread, after the edits before it, and show the data set it leaves."""
        async with self._lock:
            dataset = self._port.dataset
            if dataset is None or not dataset.ready:
                raise UsageError(
                    "the data is still being imported", dataset.name if dataset else "", "Wait until the import is done"
                )
            try:
                if self._editor is None:
                    self._editor = await self._open_journal(dataset)
                result = await asyncio.to_thread(edit, self._editor)
            except SuironError:
                raise
            except IndexError as error:
                raise DataError("the row no longer exists", dataset.name, "Select another row") from error
            except OSError as error:
                folder = str(self.journal_folder or dataset.name)
                raise DataError(
                    f"the edit cannot be saved ({error.strerror or error})",
                    folder,
                    "Free some disk space and try again",
                ) from error
            self._port.show_edited(self._editor.dataset)
            return result

    async def _open_journal(self, dataset: DataSet) -> RowEditor:
        from core.data.editing.editor import open_editor

        editor = await asyncio.to_thread(open_editor, dataset)
        if not editor.beside:
            self._port.show_journal_folder(editor.where)
        return editor

    # -- one row --

    def draft_of(self, index: int, field: str, text: str) -> FieldDraft:
        """The draft that keeps what is typed into a field if the app ends. text: the field as it is now."""
        from core.data.editing.field_drafts import FieldDraft

        dataset = self._port.dataset
        source = f"{dataset.source}\0{dataset.split}" if dataset is not None else ""
        return FieldDraft(source, f"{index}\0{field}", text)

    async def change_field(self, index: int, field: str, text: str) -> EditResult:
        """Replace one field of the row `index`."""
        await self.make_edit(lambda editor: editor.change(index, {field: text}))
        return EditResult(f"Row {index:,}: {field} changed; {_undo_key()} undoes it.", index)

    async def add_row(self, row: Row, after: int | None) -> EditResult:
        """Add a row after the row `after`, at the end where None."""
        index = await self.make_edit(lambda editor: editor.add(row, after=after))
        return _added(index)

    async def duplicate_row(self, index: int) -> EditResult:
        """Add a copy of the row after it."""
        return _added(await self.make_edit(lambda editor: editor.duplicate(index)))

    async def delete_row(self, index: int, next_index: int) -> EditResult:
        """Delete the row. next_index: the row to go to afterwards."""
        await self.make_edit(lambda editor: editor.delete([index]))
        return EditResult(f"Row {index:,} deleted; {_undo_key()} restores it.", next_index)

    # -- many rows --

    async def change_rows(self, bulk: BulkChange, indices: np.ndarray[Any, np.dtype[np.int64]]) -> EditResult:
        """Apply one change to all the rows `indices`, as one edit."""
        words = await self.make_edit(lambda editor: _change_rows(editor, bulk, indices))
        return EditResult(f"{words}; {_undo_key()} undoes it.")

    async def fix_rows(self, group: FindingGroup) -> EditResult:
        """Apply the safe fix of one group of findings, as one edit."""
        from core.quality.fixes import apply_fix, plan_fix

        def fix_group(editor: RowEditor) -> tuple[int, int]:
            fix = plan_fix(editor.dataset, group)
            return apply_fix(editor, fix), fix.left

        fixed, left = await self.make_edit(fix_group)
        rest = f"; {left:,} left to fix by hand" if left else ""
        words = f"{safe_line(group.title, 100)}: {counted(fixed, 'row')} fixed{rest}; {_undo_key()} undoes it."
        return EditResult(words, int(group.indices[0]) if fixed else None)

    # -- back and forth --

    async def undo(self) -> EditResult:
        step = await self.make_edit(lambda editor: editor.undo())
        if step is None:
            return EditResult("There is nothing to undo.")
        return EditResult(f"Undone: {safe_line(step.words, 120)}; {key_of('data.redo')} redoes it.", _row_of(step))

    async def redo(self) -> EditResult:
        step = await self.make_edit(lambda editor: editor.redo())
        if step is None:
            return EditResult("There is nothing to redo.")
        return EditResult(f"Redone: {safe_line(step.words, 120)}; {_undo_key()} undoes it.", _row_of(step))


def _undo_key() -> str:
    return key_of("data.undo")


def _row_of(step: EditStep) -> int | None:
    return step.index if step.index is not None and step.index >= 0 else None


def _added(index: int) -> EditResult:
    return EditResult(f"Row {index:,} added; {_undo_key()} removes it.", index)


def _change_rows(editor: RowEditor, bulk: BulkChange, indices: np.ndarray[Any, np.dtype[np.int64]]) -> str:
    """Apply the change. Returns what was done, in words."""
    rows = counted(len(indices), "row")
    if bulk.kind == "drop":
        editor.delete(indices)
        return f"{rows} dropped"
    if bulk.kind == "split":
        test, train = editor.split(indices, bulk.share, bulk.seed)
        return f"{counted(test, 'row')} {'is' if test == 1 else 'are'} test now, {train:,} train"
    if bulk.kind == "extract":
        return f"Reasoning moved out of <think> in {editor.extract_reasoning(indices):,} of {rows}"
    editor.fill(indices, bulk.column, bulk.value)
    return f"{bulk.column} set in {rows}" if bulk.value else f"{bulk.column} emptied in {rows}"
