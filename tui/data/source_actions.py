"""Actions on the source: open another one, choose its columns, save its rows, list unreadable rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.base.errors import SuironError
from core.base.plural import counted
from core.base.safe_text import safe_line
from core.base.sentences import with_full_stop
from tui.actions import key_of
from tui.common.readable_error import readable_error
from tui.data.mapping_changes import mapping_change_words
from tui.data.query_runner import IsCancelled
from tui.data.status_words import not_used_words

if TYPE_CHECKING:
    from core.data.dataset import DataSet
    from core.data.export import SavedRows
    from core.data.importing.column_choice import ColumnChoice
    from tui.data.dialogs.columns import ColumnsChoice
    from tui.data.dialogs.progress_dialog import WorkProgress, WorkResult
    from tui.data.dialogs.save_as import SaveTarget
    from tui.data.room_interface import DataRoom


class SourceActions:
    """Opens dialogs, and does what is chosen in them."""

    def __init__(self, room: DataRoom) -> None:
        self._room = room
        self._is_chosen = False  # by the user, a moment ago: unclear columns are asked for

    # -- open --

    def open_data(self) -> None:
        """Choose another source."""
        from tui.data.dialogs.open_data import OpenDialog
        from tui.data.source_splits import source_splits

        session, failed = self._room.suiron.session, self._room.suiron.data_error
        # a path that failed stays in the line, to be corrected
        source, split = (failed[0], "") if failed is not None else (session.data, session.split)
        dataset = self._room.dataset
        files = dataset.origin.files if dataset is not None and dataset.origin is not None else None
        shown = files.split if files is not None else ""
        dialog = OpenDialog(source, split, shown_split=shown, read_splits=partial(source_splits, source, files))
        self._room.app.push_screen(dialog, self._take_source)

    def _take_source(self, choice: tuple[str, str] | None) -> None:
        if choice is not None:
            self._is_chosen = True
            self._room.suiron.open_data(*choice)

    def ask_for_unclear_columns(self, dataset: DataSet) -> None:
        """Ask for the columns of a source that the user has just chosen, where they are unclear."""
        if self._is_chosen:
            self._is_chosen = False
            if dataset.mapping.unclear:
                self.map_columns()

    @property
    def way_back(self) -> str:
        """The source that was open before the one that failed; empty where there is none."""
        failed, before = self._room.suiron.data_error, self._room.suiron.session.data
        return before if failed is not None and failed[0] != before else ""

    def go_back(self) -> None:
        """Open the source again that was open before the one that failed."""
        if self.way_back:
            self._room.suiron.open_data(self.way_back, self._room.suiron.session.split)

    def show_problems(self) -> None:
        """What of the source is not used; the rows that could not be read, and why."""
        dataset = self._room.dataset
        not_used = not_used_words(dataset) if dataset is not None else ""
        if dataset is None:
            self._room.say(f"No data is open; {key_of('data.open_source')} opens some.")
        elif not dataset.problem_count and not not_used and not dataset.notes:
            self._room.say("Every row could be read, and every column is used.")
        else:
            from tui.data.dialogs.problems import ProblemsDialog

            dialog = ProblemsDialog(
                dataset.problems,
                dataset.problem_count,
                not_used,
                dataset.problem_kinds,
                dataset.not_used,
                dataset.notes,
            )
            self._room.app.push_screen(dialog)

    # -- columns --

    def map_columns(self) -> None:
        """Choose which source column each of the six columns is taken from."""
        suiron, dataset = self._room.suiron, self._room.dataset
        if dataset is not None:
            source, split = dataset.source, dataset.split
        elif suiron.data_error is not None:  # the mapping may be what is wrong
            source, split = suiron.data_error[0], ""
        else:
            source, split = suiron.session.data, suiron.session.split
        self._room.run_in_thread("columns", partial(self._read_columns, source, split))

    def _read_columns(self, source: str, split: str, is_cancelled: IsCancelled) -> None:
        from core.data.importing.column_choice import read_column_choice

        try:
            choice = read_column_choice(source, split)
        except Exception as error:  # whatever the source does to its reader, it is shown, and the app keeps running
            self._room.call_in_app(self._room.complain, readable_error(error, source))
        else:
            self._room.call_in_app(self._ask_columns, source, split, choice)

    def _ask_columns(self, source: str, split: str, choice: ColumnChoice) -> None:
        from core.data.column_names_file import TABLES
        from core.data.sidecar import sidecar_of
        from tui.data.dialogs.columns import ColumnsDialog

        if not self._room.is_current:
            return  # the user went on to something else
        if choice.lacks_names:
            self._ask_names(source, split, choice)
            return
        dialog = ColumnsDialog(
            choice.files.name,
            choice.mapping,
            choice.names,
            choice.rows,
            str(sidecar_of(choice.files).mapping),
            lambda column, names, rows: choice.candidates(column),
            self._not_used_of(source, split),
            choice.files.format in TABLES,
            choice.known_marks,
        )
        self._room.app.push_screen(dialog, partial(self._take_columns, source, split, choice))

    def _ask_names(self, source: str, split: str, choice: ColumnChoice) -> None:
        """Ask for the names of the columns of a table whose first line is a row."""
        from core.data.sidecar import sidecar_of
        from tui.data.dialogs.column_names import ColumnNamesDialog

        dialog = ColumnNamesDialog(choice.files.name, choice.names, str(sidecar_of(choice.files).names))
        self._room.app.push_screen(dialog, partial(self._take_names, source, split, choice))

    def _take_names(self, source: str, split: str, choice: ColumnChoice, names: tuple[str, ...] | None) -> None:
        from core.base.files import private_dir
        from core.data.column_names_file import save_names
        from core.data.sidecar import sidecar_of

        if names is None:
            return
        path = sidecar_of(choice.files).names
        try:
            private_dir(path.parent)
            save_names(names, path)  # a small file, once
        except OSError as error:
            self._room.complain(readable_error(error, str(path)))
            return
        self._is_chosen = True
        self._room.suiron.open_data(source, split)

    def _not_used_of(self, source: str, split: str) -> str:
        """What the mapping in force leaves out of this source; empty where it is not open."""
        dataset = self._room.dataset
        is_open = dataset is not None and (dataset.source, dataset.split) == (source, split)
        return not_used_words(dataset) if dataset is not None and is_open else ""

    def _take_columns(self, source: str, split: str, choice: ColumnChoice, chosen: ColumnsChoice | None) -> None:
        if chosen is None:
            return
        if chosen.wants_names:
            self._ask_names(source, split, choice)
            return
        failure: SuironError | None = None
        if chosen.keep:
            try:
                choice.keep(chosen.mapping)  # a small file, once
            except SuironError as error:
                failure = error
        self._room.suiron.open_data(source, split, chosen.mapping)
        if failure is not None:
            self._room.complain(failure)
            return
        kept = " Saved for next time." if chosen.keep else ""
        self._room.say(with_full_stop(mapping_change_words(choice.mapping, chosen.mapping)) + kept)

    # -- save --

    def save_as(self) -> None:
        """Save all rows, or those shown, as a new file."""
        from tui.data.dialogs.save_as import SaveDialog

        room = self._room
        selection, dataset = room.queries.selection, room.dataset
        if not room.check_ready() or selection is None or dataset is None:
            return
        paths = [str(path) for path in dataset.origin.files.paths] if dataset.origin is not None else []
        shown = len(selection) if room.queries.share >= 1 else len(dataset)
        room.app.push_screen(SaveDialog(_suggested_path(dataset), len(dataset), shown, paths), self._take_path)

    def _take_path(self, choice: SaveTarget | None) -> None:
        dataset, selection = self._room.dataset, self._room.queries.selection
        if choice is None or dataset is None:
            return
        from core.data.export import save_rows
        from tui.data.dialogs.progress_dialog import ProgressDialog

        path = Path(choice.path)

        def save_in_thread(progress: WorkProgress, cancelled: Callable[[], bool]) -> SavedRows:
            return save_rows(dataset, path, None if choice.whole else selection, progress)

        dialog = ProgressDialog(f"Saving {safe_line(path.name, 60)}", save_in_thread, where=str(path))
        self._room.app.push_screen(dialog, partial(self._tell_saved, path))

    def _tell_saved(self, path: Path, done: WorkResult[SavedRows] | None) -> None:
        room = self._room
        if done is None:
            room.say("Not saved.")
            return
        room.say(f"{counted(done.value, 'row')} saved to {safe_line(str(path), 200)}.")
        if done.value.aside is not None:  # the source itself, which now holds its edits: they must not be made twice
            room.suiron.open_data(room.suiron.session.data, room.suiron.session.split)


def _suggested_path(dataset: DataSet) -> str:
    """A new file beside the source where that is on this disk, in the current folder otherwise."""
    root = dataset.origin.files.root if dataset.origin is not None else None
    folder = root.absolute().parent if root is not None else Path(os.getcwd())
    name = (root.name if root is not None else dataset.name.replace("/", "-")).split(".")[0] or "data"
    return str(folder / f"{name}-edited.jsonl")
