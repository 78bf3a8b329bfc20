"""The screen of the Data room, which composes its parts and passes messages between them.

Widgets: `RowsView`, `SearchBar`, `ConditionBar`, `MessageLine`. Without a widget: `QueryRunner`, `EditSession`,
`OpenSource`.
`QueryView` shows answers in the widgets. What keys do, with their dialogs: `FilterActions`, `EditActions`,
`QualityActions`, `SourceActions`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from core.data.filters import RowFilters
from tui.actions import Scope, key_bindings, key_of
from tui.common.message_line import MessageLine, ShowMessage
from tui.common.room import Room
from tui.data.edit_session import EditSession
from tui.data.open_source import OpenSource
from tui.data.query_view import QueryView
from tui.data.widgets.condition_bar import ConditionBar
from tui.data.widgets.rows_table import RowsTable
from tui.data.widgets.rows_view import WIDE, RowsView
from tui.data.widgets.search_bar import SearchBar
from tui.messages import AskRow, DataFailed, DataOpened, DataOpening, ModelChosen

if TYPE_CHECKING:
    from core.data.dataset import DataSet
    from tui.data.edit_actions import EditActions
    from tui.data.filter_actions import FilterActions
    from tui.data.quality_actions import QualityActions
    from tui.data.query_runner import IsCancelled
    from tui.data.source_actions import SourceActions

CHECK_SOURCE_EVERY = 5.0  # seconds between two checks whether the source has changed


class DataScreen(Room):
    """The keys of the room are in `tui.actions`; each action here passes one on."""

    SCOPE: ClassVar[Scope] = "data"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("data")
    CSS_PATH = "screen.tcss"
    AUTO_FOCUS = ""  # Textual's own choice would be the search field, which is focusable even while it is hidden

    def __init__(self) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self.rows = RowsView()
        self.search_bar = SearchBar(self.rows.focus_rows)
        self.condition_bar = ConditionBar(self.rows.focus_rows)
        self.message_line = MessageLine(id="message")
        self.status_line = Static(id="status")
        self.query_view = QueryView(self)
        self.queries = self.query_view.queries
        self.edit_session = EditSession(self)
        self.open_source = OpenSource(self)

    def compose_room(self) -> ComposeResult:
        self.query_view.show_query(self.filters)
        self.search_bar.set_typed_text(self.filters.text)
        yield self.status_line
        yield self.search_bar
        yield self.condition_bar
        yield self.rows
        yield self.message_line

    def on_mount(self) -> None:
        self.set_interval(CHECK_SOURCE_EVERY, self._check_source)
        self.set_focus(self.rows.table)
        self.rows.update_panes()
        self.rows.count_tokens_for(self.suiron.session.model)
        if self.suiron.dataset is not None:
            self._open(self.suiron.dataset)
        elif self.suiron.data_error is not None:
            self.fail(*self.suiron.data_error)
        else:
            self.rows.show_notice(Content(f"Opening {safe_line(self.suiron.session.data)} …"))

    def on_resize(self) -> None:
        self.rows.update_panes()

    async def on_unmount(self) -> None:
        await self.edit_session.close()

    # -- what keys do: imported at the first such key, after the first paint --

    @cached_property
    def _filter_actions(self) -> FilterActions:
        from tui.data.filter_actions import FilterActions

        return FilterActions(self)

    @cached_property
    def _edit_actions(self) -> EditActions:
        from tui.data.edit_actions import EditActions

        return EditActions(self)

    @cached_property
    def _quality_actions(self) -> QualityActions:
        from tui.data.quality_actions import QualityActions

        return QualityActions(self, self._edit_actions)

    @cached_property
    def _source_actions(self) -> SourceActions:
        from tui.data.source_actions import SourceActions

        return SourceActions(self)

    # -- what the parts ask of the screen --

    @property
    def dataset(self) -> DataSet | None:
        return self.queries.dataset

    @property
    def filters(self) -> RowFilters:
        return self.suiron.session.filters

    def say(self, words: str) -> None:
        self.message_line.say(words)

    def complain(self, error: SuironError) -> None:
        self.notify(safe_line(str(error), 600), title="Not done", severity="warning", timeout=12, markup=False)

    def check_ready(self) -> bool:
        if self.dataset is None:
            self.say(f"No data is open; {key_of('data.open_source')} opens some.")
        elif not self.dataset.ready:
            self.say("The data is still being imported. Try again when that is done.")
        return self.queries.is_ready

    def run_in_thread(self, group: str, work: Callable[[IsCancelled], None], exclusive: bool = True) -> None:
        def run() -> None:
            worker = get_current_worker()
            work(lambda: worker.is_cancelled)

        self.run_worker(run, thread=True, exclusive=exclusive, group=group, exit_on_error=False)

    def call_in_app(self, function: Callable[..., None], *arguments: object) -> None:
        self.app.call_from_thread(function, *arguments)

    def run_edit(self, edit: Coroutine[Any, Any, None]) -> None:
        self.run_worker(edit, group="edit", exit_on_error=False)

    # -- rows and queries --

    @on(RowsTable.PagesNeeded)
    def _fetch_pages(self) -> None:
        self.queries.fetch_pages()

    @on(RowsTable.Moved)
    def _remember_row(self, message: RowsTable.Moved) -> None:
        if message.row is not None and message.by_hand:
            self.queries.anchor = message.row.index
            self.suiron.remember(row=message.row.index)

    @on(SearchBar.Searched)
    def _search_for(self, message: SearchBar.Searched) -> None:
        columns = self.filters.columns if message.text else ()
        self.query_view.select(msgspec.structs.replace(self.filters, text=message.text, columns=columns))

    @on(SearchBar.ColumnsChosen)
    def _search_in(self, message: SearchBar.ColumnsChosen) -> None:
        self.query_view.select(msgspec.structs.replace(self.filters, columns=message.columns))

    @on(ConditionBar.Submitted)
    def _ask_condition(self, message: ConditionBar.Submitted) -> None:
        self.query_view.select(msgspec.structs.replace(self.filters, where=message.condition))
        if self.dataset is not None and not self.dataset.ready:
            self.condition_bar.close()

    @on(ConditionBar.Cancelled)
    def _drop_condition(self, message: ConditionBar.Cancelled) -> None:
        self.query_view.select(msgspec.structs.replace(self.filters, where=message.condition))

    # -- words --

    @on(ShowMessage)
    def _say(self, message: ShowMessage) -> None:
        self.say(message.words)

    # -- edits --

    def show_edited(self, dataset: DataSet) -> None:
        self.open_source.replace(dataset)

    def show_journal_folder(self, folder: Path) -> None:
        words = f"Nothing can be written beside the data. Edits are kept in {safe_line(str(folder), 300)}."
        self.notify(words, title="Your edits", timeout=14, markup=False)

    # -- a source comes and goes --

    @on(DataOpening)
    def _on_opening(self, message: DataOpening) -> None:
        self.open_source.show_opening(message)

    @on(DataOpened)
    def _on_opened(self, message: DataOpened) -> None:
        self._open(message.dataset)

    @on(DataFailed)
    def _on_failed(self, message: DataFailed) -> None:
        self.forget_source()
        self.fail(message.source, message.error)

    def _open(self, dataset: DataSet) -> None:
        self.open_source.open(dataset)
        if "_source_actions" in vars(self):  # else the user has not chosen this source
            self._source_actions.ask_for_unclear_columns(dataset)

    def forget_source(self) -> None:
        """Close the source, its findings and its journal: another one is being opened."""
        self.open_source.close()
        if "_quality_actions" in vars(self):  # else there are no findings yet
            self._quality_actions.forget_findings()
        if self.edit_session.is_open:
            self.run_worker(self.edit_session.close(), group="edit")

    def fail(self, source: str, error: SuironError) -> None:
        self.open_source.fail(source, error, self._source_actions.way_back)

    @on(events.ScreenResume)
    def _check_source(self) -> None:
        self.open_source.check()

    @on(ModelChosen)
    def _use_model(self, message: ModelChosen) -> None:
        self.rows.count_tokens_for(message.model)

    # -- keys whose meaning depends on what is open --

    def action_back(self) -> None:
        if self.condition_bar.is_waiting:
            self.condition_bar.cancel()
        elif self.condition_bar.is_open:
            self.condition_bar.close()
        elif self.search_bar.is_open:
            self.search_bar.drop()
        elif self.rows.pane.alone:
            self.rows.toggle_alone()
        elif self.rows.pane.display and self.app.size.width < WIDE:
            self.rows.toggle_pane()
        else:
            self._source_actions.go_back()

    def action_field_by(self, by: int) -> None:
        if self.search_bar.is_typing:
            self.search_bar.choose_column(by)
        elif not self.condition_bar.is_open:
            self.rows.field_by(by)

    def action_row_by(self, rows: int) -> None:
        if self.condition_bar.is_typing:
            self.condition_bar.recall(rows)
        else:
            self.rows.table.move_by(rows)

    # -- rows --

    def action_row_at(self, position: int) -> None:
        self.rows.go_to_end(to_last=position < 0)

    def action_page_by(self, pages: int) -> None:
        self.rows.page_by(pages)

    def action_toggle_row(self) -> None:
        self.rows.toggle_pane()

    def action_pane_by(self, pages: int) -> None:
        self.rows.page_pane_by(pages)

    def action_pane_line_by(self, lines: int) -> None:
        self.rows.line_pane_by(lines)

    def action_toggle_fold(self) -> None:
        self.rows.toggle_fold()

    def action_toggle_alone(self) -> None:
        self.rows.toggle_alone()

    def action_copy_field(self) -> None:
        self.rows.copy_field()

    def action_ask_row(self) -> None:
        if self.rows.row is not None:
            self.post_message(AskRow(self.rows.row))

    # -- filters --

    def action_search(self) -> None:
        self.condition_bar.close()
        self.search_bar.open()

    def action_where(self) -> None:
        self.search_bar.close()
        self.condition_bar.open()

    def action_next_language(self) -> None:
        self._filter_actions.next_value("syslang")

    def action_next_flag(self) -> None:
        self._filter_actions.next_value("sysflag")

    def action_clear_filters(self) -> None:
        self.query_view.clear_filters()

    def action_choose_sort(self) -> None:
        self._filter_actions.choose_sort()

    def action_show_facets(self) -> None:
        self._filter_actions.choose_value()

    def action_go_to_row(self) -> None:
        self._filter_actions.choose_row()

    # -- edits --

    def action_edit_field(self) -> None:
        self._edit_actions.edit_field()

    def action_edit_outside(self) -> None:
        self._edit_actions.edit_outside()

    def action_new_row(self) -> None:
        self._edit_actions.new_row()

    async def action_duplicate_row(self) -> None:
        await self._edit_actions.duplicate_row()

    async def action_delete_row(self) -> None:
        await self._edit_actions.delete_row()

    async def action_undo(self) -> None:
        await self._edit_actions.undo()

    async def action_redo(self) -> None:
        await self._edit_actions.redo()

    def action_show_difference(self) -> None:
        self._edit_actions.show_difference()

    def action_change_all(self) -> None:
        self._edit_actions.change_all()

    # -- all rows --

    def action_show_statistics(self) -> None:
        self._quality_actions.show_statistics()

    def action_show_doctor(self) -> None:
        self._quality_actions.show_doctor()

    def action_finding_by(self, by: int) -> None:
        self._quality_actions.finding_by(by)

    # -- the source --

    def action_open_data(self) -> None:
        self._source_actions.open_data()

    def action_save_as(self) -> None:
        self._source_actions.save_as()

    def action_map_columns(self) -> None:
        self._source_actions.map_columns()

    def action_show_problems(self) -> None:
        self._source_actions.show_problems()
