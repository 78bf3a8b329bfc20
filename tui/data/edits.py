"""Mending rows: write a field here or in an editor of the person's own, add, duplicate, delete, undo, redo, see the
difference.

Edits go to the journal one at a time, in a thread, and what is shown next is the data set that comes back. The source
is never touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from core.base.errors import DataError, SuironError, UsageError
from core.base.row import COLUMNS, Row
from core.base.safe_text import safe_line
from core.data.filters import Filters
from tui.actions import key_of
from tui.common.readable_error import readable
from tui.data.filtering import Filtering

if TYPE_CHECKING:
    from core.data.dataset import DataSet
    from core.data.editing.editor import Editor, Step

T = TypeVar("T")
UNDO, REDO = key_of("data.undo"), key_of("data.redo")


class Repairing(Filtering):
    """`_writer` holds the journal from the first edit on until another source is opened."""

    def __init__(self) -> None:
        super().__init__()
        self._writer: Editor | None = None
        self._writing = asyncio.Lock()

    async def repair(self, do: Callable[[Editor], T]) -> T:
        """Let `do` edit, in a thread and in its turn, and show the data set it leaves. Raises SuironError where the
        edit is not kept."""
        async with self._writing:
            dataset = self._dataset
            if dataset is None or not dataset.ready:
                raise UsageError(
                    "the data is still being imported", dataset.name if dataset else "", "Wait until it is done"
                )
            try:
                if self._writer is None:
                    from core.data.editing.editor import open_editor

                    self._writer = await asyncio.to_thread(open_editor, dataset)
                    self._tell_where(self._writer)
                done = await asyncio.to_thread(do, self._writer)
            except SuironError:
                raise
            except (OSError, IndexError) as error:
                where = str(self._writer.where) if self._writer is not None else dataset.name
                if isinstance(error, IndexError):
                    raise DataError(
                        "the row is not there any more", dataset.name, "Look where the cursor stands now"
                    ) from error
                raise DataError(
                    f"the edit cannot be kept ({error.strerror or error})", where, "Free some space, then keep it again"
                ) from error
            self._take(self._writer.dataset)
            return done

    def _take(self, dataset: DataSet) -> None:
        if self._dataset is None or dataset is self._dataset:
            return
        if dataset.columns != self._dataset.columns:
            self.table.lack(set(COLUMNS) - set(dataset.columns))
        self._dataset = dataset
        self.suiron.replace_data(dataset)
        self.show_standing()

    def _tell_where(self, writer: Editor) -> None:
        """Once per source, where the edits do not lie beside it; else the last line says so."""
        if not writer.beside:
            words = f"Nothing can be written beside the data. Edits are kept in {safe_line(str(writer.where), 300)}."
            self.notify(words, title="Your edits", timeout=14, markup=False)

    def show_standing(self) -> None:
        """What the last line says when nothing else is to be said."""
        raise NotImplementedError

    async def on_unmount(self) -> None:
        await self.close_writer()

    async def close_writer(self) -> None:
        """Let go of the journal."""
        async with self._writing:
            writer, self._writer = self._writer, None
            if writer is not None:
                await asyncio.to_thread(writer.close)

    async def edit(self, do: Callable[[Editor], T], then: Callable[[T], None], anchor: int | None = None) -> None:
        """Edit, show the rows anew with the cursor on `anchor`, then tell. Ends when they are shown, so that a key
        typed ahead meets them."""
        await self.edit_to(do, lambda _: anchor, then)

    async def edit_to(
        self, do: Callable[[Editor], T], place: Callable[[T], int | None], then: Callable[[T], None]
    ) -> None:
        """The same, where what was done says on which row to go."""
        if not self.ready:
            return
        try:
            done = await self.repair(do)
        except SuironError as error:
            self.complain(error)
            return
        except Exception as error:  # an edit must not end the app, whatever it met
            self.complain(readable(error, self._dataset.name if self._dataset is not None else ""))
            return
        await self.show_again(place(done))
        then(done)

    def complain(self, error: SuironError) -> None:
        """An edit that was not kept, in words."""
        self.notify(safe_line(str(error), 600), title="Not done", severity="warning", timeout=12, markup=False)

    # -- one field --

    def _row_to_edit(self) -> Row | None:
        """The row under the cursor, its pane open on the field that is meant. The first press only shows which one that
        is."""
        row = self.here
        if row is None or not self.ready:
            if row is None:
                self.say("No row stands here, or it is still on its way.")
            return None
        if not self.pane.display:
            self.open_pane()
            self.say(f"Tab chooses the field; {key_of('data.edit_field')} edits it.")
            return None
        self._show_in_pane(row)  # keys typed ahead may have moved the cursor since it was shown
        return row

    def action_edit_field(self) -> None:
        from core.data.editing.drafts import Draft
        from tui.data.field_editor import LONGEST, FieldEditor

        row, dataset = self._row_to_edit(), self._dataset
        if row is None or dataset is None:
            return
        field, text = self.pane.field, self.pane.text
        if len(text) > LONGEST:
            self.say(
                f"{len(text):,} characters are too many to edit here; {key_of('data.edit_outside')} opens them in $EDITOR."
            )
            return
        title = f"row {row.index} · {field}"
        draft = Draft(f"{dataset.source}\0{dataset.split}", f"{row.index}\0{field}", text)
        self.app.push_screen(FieldEditor(title, text, partial(self._keep_field, row.index, field), draft))

    async def _keep_field(self, index: int, field: str, text: str) -> SuironError | None:
        try:
            await self.repair(lambda writer: writer.change(index, {field: text}))
        except SuironError as error:
            return error
        await self.show_again(index)
        self.say(f"Row {index:,}: {field} changed; {UNDO} undoes it.")
        return None

    def action_edit_outside(self) -> None:
        """The field in $EDITOR; the app is suspended meanwhile."""
        from tui.data.outside_editor import edit_outside

        row = self._row_to_edit()
        if row is None:
            return
        field, text = self.pane.field, self.pane.text
        try:
            written, path = edit_outside(self.app, f"row-{row.index}-{field}", text)
        except SuironError as error:
            self.complain(error)
            return
        if written == text:
            path.unlink(missing_ok=True)
            self.say("Nothing was changed in the editor.")
        else:
            self.run_worker(self._keep_from_outside(row.index, field, written, path), group="edit", exit_on_error=False)

    async def _keep_from_outside(self, index: int, field: str, text: str, path: Path) -> None:
        error = await self._keep_field(index, field, text)
        if error is None:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        else:
            self.complain(DataError(f"{error.what}; what you wrote lies in {path}", error.where, error.do))

    # -- whole rows --

    def action_new_row(self) -> None:
        from tui.data.dialogs.new_row import RowForm

        if self.ready:
            row = self.here
            self.app.push_screen(
                RowForm(
                    row.syslang if row else "",
                    row.sysflag if row else "",
                    partial(self._keep_new, row.index if row else None),
                )
            )

    async def _keep_new(self, after: int | None, row: Row) -> SuironError | None:
        try:
            index = await self.repair(lambda writer: writer.add(row, after=after))
        except SuironError as error:
            return error
        await self.show_again(index)
        self._added(index)
        return None

    def _added(self, index: int) -> None:
        hidden = " It shows only where the filters let it pass." if self.filters != Filters() else ""
        self.say(f"Row {index:,} added; {UNDO} takes it away again.{hidden}")

    async def action_duplicate_row(self) -> None:
        row = self.here
        if row is not None:
            await self.edit_to(lambda writer: writer.duplicate(row.index), lambda index: index, self._added)

    async def action_delete_row(self) -> None:
        row, selection = self.here, self._selection
        if row is None or selection is None:
            self.say("No row stands here, or it is still on its way.")
            return
        place = self.table.cursor
        beside = place + 1 if place + 1 < len(selection) else place - 1
        anchor = selection.at(beside) if beside >= 0 else row.index
        await self.edit(
            lambda writer: writer.delete([row.index]),
            lambda _: self.say(f"Row {row.index:,} deleted; {UNDO} brings it back."),
            anchor,
        )

    # -- back and forth --

    async def action_undo(self) -> None:
        told = partial(self._stepped, "Undone", f"; {REDO} does it again", "There is nothing to undo.")
        await self.edit_to(lambda writer: writer.undo(), _place, told)

    async def action_redo(self) -> None:
        told = partial(self._stepped, "Done again", f"; {UNDO} undoes it", "There is nothing to do again.")
        await self.edit_to(lambda writer: writer.redo(), _place, told)

    def _stepped(self, done: str, more: str, nothing: str, step: Step | None) -> None:
        self.say(nothing if step is None else f"{done}: {safe_line(step.words, 120)}{more}.")

    def action_show_difference(self) -> None:
        from tui.data.dialogs.difference import DifferenceDialog

        row, dataset = self.here, self._shown
        if row is None or dataset is None:
            self.say("No row stands here, or it is still on its way.")
        elif not dataset.changes or not dataset.changed(row.index):
            self.say(f"Row {row.index:,} is as it is in the source.")
        else:
            self.app.push_screen(DifferenceDialog(dataset.before(row.index), row))


def _place(step: Step | None) -> int | None:
    return None if step is None or step.index is None or step.index < 0 else step.index
