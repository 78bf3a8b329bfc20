"""Edits from the keyboard: which row and field to edit, in which editor, and the message afterwards.

The edit session makes the edits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from core.base.errors import DataError, SuironError
from core.base.row import Row
from core.data.filters import RowFilters
from tui.actions import key_of
from tui.common.readable_error import readable_error
from tui.data.edit_session import EditResult
from tui.data.row_fields import HEADINGS, is_read_only
from tui.data.widgets.rows_view import NO_ROW_WORDS

if TYPE_CHECKING:
    from core.quality.report import FindingGroup
    from tui.data.dialogs.bulk import BulkChange
    from tui.data.room_interface import DataRoom


class EditActions:
    """Each action ends when the edited rows are shown, so that keys typed ahead act on them."""

    def __init__(self, room: DataRoom) -> None:
        self._room = room

    async def perform(self, edit: Awaitable[EditResult]) -> None:
        """Make an edit and show the rows again, or say why it was not saved."""
        dataset = self._room.dataset
        try:
            result = await edit
        except Exception as error:  # an edit must not end the app, whatever it met
            self._room.complain(readable_error(error, dataset.name if dataset is not None else ""))
            return
        await self._show_result(result)

    async def _show_result(self, result: EditResult) -> None:
        await self._room.query_view.show_again(result.row)
        self._room.say(result.words)

    async def _keep(self, edit: Awaitable[EditResult]) -> SuironError | None:
        """Make an edit for a screen that holds the text. Returns an error for that screen to show."""
        try:
            result = await edit
        except SuironError as error:
            return error
        await self._show_result(result)
        return None

    # -- one field --

    def _row_to_edit(self) -> Row | None:
        """The row under the cursor, with its pane open. If the pane was closed, it is opened and None is returned: the
        first press only shows which field would be edited."""
        room = self._room
        row = room.rows.row
        if row is None:
            room.say(NO_ROW_WORDS)
            return None
        if not room.check_ready():
            return None
        if not room.rows.pane.display:
            room.rows.open_pane()
            room.say(f"{key_of('data.next_field')} chooses the field; {key_of('data.edit_field')} edits it.")
            return None
        room.rows.show_in_pane(row)  # keys typed ahead may have moved the cursor since it was shown
        field = room.rows.pane.field
        if is_read_only(field):
            room.say(f"{HEADINGS[field]} can be read and copied here, but not edited.")
            return None
        return row

    def edit_field(self) -> None:
        """Open the field in the editor of the app."""
        from tui.data.field_editor import MAX_CHARACTERS, FieldEditor

        room, row = self._room, self._row_to_edit()
        if row is None:
            return
        field, text = room.rows.pane.field, room.rows.pane.text
        if len(text) > MAX_CHARACTERS:
            key = key_of("data.edit_outside")
            room.say(f"{len(text):,} characters are too many to edit here; {key} opens them in $EDITOR.")
            return
        draft = room.edit_session.draft_of(row.index, field, text)
        keep = partial(self._keep_field, row.index, field)
        room.app.push_screen(FieldEditor(f"row {row.index} · {field}", text, keep, draft))

    async def _keep_field(self, index: int, field: str, text: str) -> SuironError | None:
        return await self._keep(self._room.edit_session.change_field(index, field, text))

    def edit_outside(self) -> None:
        """Open the field in $EDITOR; the app is suspended meanwhile."""
        from tui.data.external_editor import edit_in_external_editor

        room, row = self._room, self._row_to_edit()
        if row is None:
            return
        field, text = room.rows.pane.field, room.rows.pane.text
        try:
            edited, path = edit_in_external_editor(room.app, f"row-{row.index}-{field}", text)
        except SuironError as error:
            room.complain(error)
            return
        if edited == text:
            path.unlink(missing_ok=True)
            room.say("Nothing was changed in the editor.")
        else:
            room.run_edit(self._keep_from_outside(row.index, field, edited, path))

    async def _keep_from_outside(self, index: int, field: str, text: str, path: Path) -> None:
        error = await self._keep_field(index, field, text)
        if error is None:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        else:
            self._room.complain(DataError(f"{error.what}; your text is in {path}", error.where, error.do))

    # -- whole rows --

    def new_row(self) -> None:
        """Open the form for a new row after the one under the cursor."""
        from tui.data.dialogs.new_row import RowForm

        room = self._room
        if room.check_ready():
            row = room.rows.row
            keep = partial(self._keep_new, row.index if row else None)
            room.app.push_screen(RowForm(row.syslang if row else "", row.sysflag if row else "", keep))

    async def _keep_new(self, after: int | None, row: Row) -> SuironError | None:
        return await self._keep(self._add(self._room.edit_session.add_row(row, after)))

    async def duplicate_row(self) -> None:
        row = self._room.rows.row
        if row is not None and self._room.check_ready():
            await self.perform(self._add(self._room.edit_session.duplicate_row(row.index)))

    async def _add(self, edit: Awaitable[EditResult]) -> EditResult:
        result = await edit
        if self._room.filters == RowFilters():
            return result
        return msgspec.structs.replace(result, words=f"{result.words} It is shown only if it passes the filters.")

    async def delete_row(self) -> None:
        """Delete the row under the cursor, and go to the next one; to the one before at the end."""
        room = self._room
        row, selection = room.rows.row, room.queries.selection
        if row is None or selection is None:
            room.say(NO_ROW_WORDS)
        elif room.check_ready():
            position = room.rows.table.cursor
            neighbour = position + 1 if position + 1 < len(selection) else position - 1
            next_index = selection.at(neighbour) if neighbour >= 0 else row.index
            await self.perform(room.edit_session.delete_row(row.index, next_index))

    def show_difference(self) -> None:
        """Compare the row with its source."""
        from tui.data.dialogs.difference import DifferenceDialog

        room = self._room
        row, dataset = room.rows.row, room.queries.shown_dataset
        if row is None or dataset is None:
            room.say(NO_ROW_WORDS)
        elif not dataset.changes or not dataset.changed(row.index):
            room.say(f"Row {row.index:,} is the same as in the source.")
        else:
            room.app.push_screen(DifferenceDialog(dataset.before(row.index), row))

    # -- back and forth --

    async def undo(self) -> None:
        if self._room.check_ready():
            await self.perform(self._room.edit_session.undo())

    async def redo(self) -> None:
        if self._room.check_ready():
            await self.perform(self._room.edit_session.redo())

    # -- many rows --

    def change_all(self) -> None:
        """Change all the rows shown."""
        from tui.data.dialogs.bulk import BulkDialog

        room = self._room
        selection, dataset = room.queries.selection, room.dataset
        if not room.check_ready() or selection is None or dataset is None:
            return
        if room.queries.share < 1:
            room.say("The search is still running; wait until all rows are searched.")
        elif not len(selection):
            room.say("No rows are shown.")
        else:
            dialog = BulkDialog(len(selection), len(dataset), room.queries.value_counts)
            room.app.push_screen(dialog, self._take_change)

    def _take_change(self, bulk: BulkChange | None) -> None:
        room = self._room
        if bulk is not None and room.queries.selection is not None:
            room.say("Changing the rows …")
            change = room.edit_session.change_rows(bulk, room.queries.selection.indices)
            room.run_edit(self.perform(change))

    def fix_rows(self, group: FindingGroup) -> None:
        """Apply the safe fix of a group of findings."""
        room = self._room
        room.say("Fixing the rows …")
        room.run_edit(self.perform(room.edit_session.fix_rows(group)))
