"""The source that is open in the Data room: it comes, changes on the disk, cannot be read, goes.

Tells the parts of the room, and keeps the last line true to what is open.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.content import Content

from core.base.errors import SuironError
from core.base.row import COLUMNS
from core.base.safe_text import safe_line
from tui.data.source_changes import source_change_words
from tui.data.status_words import idle_words, open_failure_words
from tui.messages import DataOpening

if TYPE_CHECKING:
    from core.data.dataset import DataSet
    from tui.data.query_runner import IsCancelled
    from tui.data.room_interface import DataRoom


class OpenSource:
    """What is known of the source besides its rows."""

    def __init__(self, room: DataRoom) -> None:
        self._room = room
        self._change = ""  # what happened to the files since the source was opened
        self._splits = ""  # which of its splits is shown, and the others, in words

    # -- it comes --

    def show_opening(self, message: DataOpening) -> None:
        """A source is being opened, or imported further."""
        room = self._room
        if message.early:
            room.query_view.show_import(message.share)
            return
        if message.share is None:
            if room.dataset is not None and room.dataset.source != message.source:
                room.say("")  # it was about rows that are no longer shown
            room.forget_source()
        share = f" {message.share:.0%}" if message.share is not None else ""
        room.rows.show_notice(Content(f"Opening {safe_line(message.source)} …{share}"))

    def open(self, dataset: DataSet) -> None:
        """Show a data set; where it completes the source whose first rows are shown, cursor, scroll and pane stay."""
        room, early = self._room, self._room.dataset
        if dataset is early:
            return
        missing_columns = set(COLUMNS) - set(dataset.columns)
        if room.queries.open_dataset(dataset, room.filters, room.suiron.session.row):
            if early is not None and set(dataset.columns) != set(early.columns):
                room.rows.table.leave_out(missing_columns)
        else:
            self._change = self._splits = ""
            room.condition_bar.forget_accepted()
            room.rows.table.begin(missing_columns)
            room.search_bar.set_typed_text(room.filters.text)
            room.run_in_thread("splits", partial(self._read_splits, dataset))
        self.show_idle_words()
        room.query_view.select(room.filters)

    def _read_splits(self, dataset: DataSet, is_cancelled: IsCancelled) -> None:
        if dataset.origin is None:
            return
        from tui.data.source_splits import source_splits, split_words  # not needed for the first paint

        words = split_words(dataset.origin.files.split, source_splits(dataset.source, dataset.origin.files))
        if words and not is_cancelled():
            self._room.call_in_app(self._tell_splits, dataset.source, words)

    def _tell_splits(self, source: str, words: str) -> None:
        dataset = self._room.dataset
        if dataset is not None and dataset.source == source:
            self._splits = words
            self.show_idle_words()

    # -- it is open --

    def replace(self, dataset: DataSet) -> None:
        """The same source after an edit."""
        before = self._room.dataset
        if before is None or dataset is before:
            return
        if dataset.columns != before.columns:
            self._room.rows.table.leave_out(set(COLUMNS) - set(dataset.columns))
        self._room.queries.replace_dataset(dataset)
        self._room.suiron.replace_data(dataset)
        self.show_idle_words()

    def show_idle_words(self) -> None:
        """What the last line says while there is no message."""
        dataset = self._room.dataset
        if dataset is not None:
            folder = self._room.edit_session.journal_folder
            words = idle_words(dataset, self._change, folder, self._splits)
            self._room.message_line.set_idle_content(words)

    def check(self) -> None:
        """Check in a thread whether the source has changed."""
        if self._room.dataset is not None and self._room.is_current:
            self._room.run_in_thread("check source", partial(self._check_in_thread, self._room.dataset))

    def _check_in_thread(self, dataset: DataSet, is_cancelled: IsCancelled) -> None:
        words = source_change_words(dataset)
        if words != self._change:
            self._room.call_in_app(self._tell_change, dataset, words)

    def _tell_change(self, dataset: DataSet, words: str) -> None:
        if dataset is self._room.dataset:
            self._change = words
            self.show_idle_words()

    # -- it goes --

    def close(self) -> None:
        """Show no rows and nothing about them."""
        self._room.query_view.close()
        self._room.message_line.set_idle_content(Content(""))

    def fail(self, source: str, error: SuironError, way_back: str) -> None:
        """It cannot be opened, or no longer be read: the reason takes the place of the rows, and what was said of other
        rows goes. way_back: the source that was open before; empty for none."""
        self.close()
        self._room.say("")
        self._room.condition_bar.close()
        self._room.condition_bar.forget_accepted()
        self._room.rows.show_notice(open_failure_words(source, error, way_back))
