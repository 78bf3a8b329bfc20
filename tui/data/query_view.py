"""Sends the queries of the room to the query runner, and shows its answers in the widgets of the room."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from core.base.errors import DataError, SuironError, error_sentences
from core.base.row import Row
from core.base.safe_text import safe_line
from core.data.filters import RowFilters
from tui.actions import key_of
from tui.common.app_interface import AppInterface
from tui.common.key_bar import KeyBar
from tui.data.query_runner import TOP, AppThreads, QueryAnswer, QueryRunner
from tui.data.status_words import row_count_words, waiting_words

if TYPE_CHECKING:
    from tui.data.widgets.condition_bar import ConditionBar
    from tui.data.widgets.rows_view import RowsView
    from tui.data.widgets.search_bar import SearchBar

W = TypeVar("W", bound=Widget)

WAIT_FOR_IMPORT = frozenset(
    ("next_language", "next_flag", "edit_field", "undo", "show_doctor", "show_statistics", "save_as")
)  # actions that are dim while a source is imported


class QueryRoom(AppThreads, Protocol):
    """What the view needs of the screen."""

    rows: RowsView
    """The table, the pane and the notice."""
    search_bar: SearchBar
    """The line for the text to search for."""
    condition_bar: ConditionBar
    """The line for a condition in SQL."""
    status_line: Static
    """The line above the table."""

    @property
    def suiron(self) -> AppInterface: ...

    @property
    def filters(self) -> RowFilters:
        """The query in force."""

    def query_one(self, selector: type[W], /) -> W: ...

    def say(self, words: str) -> None:
        """Show a message in answer to a key. Safe text."""

    def fail(self, source: str, error: SuironError) -> None:
        """The source cannot be read, or no longer: show the reason in place of its rows."""


class QueryView:
    """Shows what the query runner finds."""

    def __init__(self, room: QueryRoom) -> None:
        self._room = room
        self._import_share: float | None = None  # of the source, while it is imported
        self.queries = QueryRunner(self, room)
        """The open data set and the rows that were asked for."""

    # -- queries --

    def select(self, filters: RowFilters, anchor: int | None = None) -> None:
        """Show the rows that pass. anchor: index of the row the cursor goes to; None for the one it was last on."""
        dataset = self.queries.dataset
        if dataset is None:
            return
        self._remember(filters, anchor)
        self.queries.ask(filters, anchor, self._room.rows.waits_at_end)
        if not dataset.ready:
            self._show_status()
        elif filters.where and filters.where != self._room.condition_bar.accepted:
            self.show_search_progress(filters, 0.0)  # at once: a condition may take seconds to begin

    async def show_again(self, anchor: int | None = None) -> None:
        """Show the rows again after an edit, and wait until they are there."""
        self._remember(self.queries.filters, anchor)
        await self.queries.ask_again(anchor)

    def clear_filters(self) -> None:
        """Show all rows again, in the order of the source."""
        self._room.search_bar.set_typed_text("")
        self._room.search_bar.close()
        self._room.condition_bar.close()
        self._room.condition_bar.forget_accepted()
        self.select(RowFilters())

    def _remember(self, filters: RowFilters, anchor: int | None) -> None:
        self._room.suiron.remember(filters=filters)
        if anchor is not None and anchor != TOP:
            self._room.suiron.remember(row=anchor)
        self.show_query(filters)

    def show_query(self, filters: RowFilters) -> None:
        """Show this query in the search line and the condition line."""
        self._room.search_bar.set_search(filters.text, filters.columns)
        self._room.condition_bar.set_condition(filters.where)

    def go_to(self, index: int, words: str = "") -> None:
        """Put the cursor on the row `index` if it is shown. words: the message to show then."""
        self.queries.find_position(index, partial(self._go_to_position, index, words))

    def _go_to_position(self, index: int, words: str, position: int | None) -> None:
        room = self._room
        if position is not None:
            room.rows.table.move_to(position)
            room.say(words)
        elif room.filters == RowFilters():
            room.say(f"There is no row {index:,}: it could not be read, or was deleted.")
        else:
            room.say(f"Row {index:,} is not among the rows shown; {key_of('data.show_all_rows')} shows all.")

    def show_import(self, share: float | None) -> None:
        """This share of the source is imported, 0 to 1; None where that is not known."""
        self._import_share = share
        self._show_status()

    def close(self) -> None:
        """Show no rows, and forget what was asked."""
        self.queries.close_dataset()
        self._import_share = None
        self._room.rows.clear()
        self._room.status_line.update("", layout=False)

    # -- the port of the query runner --

    @property
    def cursor_position(self) -> int:
        return self._room.rows.table.cursor

    def missing_pages(self) -> list[int]:
        return self._room.rows.table.missing_pages()

    def show_page(self, page: int, rows: list[Row]) -> None:
        self._room.rows.table.add_page(page, rows)

    def show_answer(self, answer: QueryAnswer) -> None:
        rows, count = self._room.rows, len(answer.selection)
        if self.queries.anchor != TOP:
            self._room.suiron.remember(row=self.queries.anchor)
        rows.show_rows(answer.dataset, answer.filters, count, answer.cursor, answer.pages)
        if words := self._room.condition_bar.accept(answer.filters.where, count, answer.selection.share >= 1):
            self._room.say(words)
        self._show_status()
        if count:
            rows.hide_notice()
        elif answer.selection.share < 1:
            rows.show_notice(Content("Searching …"))
        elif len(answer.dataset):
            way_out = Content.styled(f"{key_of('data.show_all_rows')} shows all rows again.", "$text-muted")
            rows.show_notice(Content("No row passes these filters. ") + way_out)
        else:
            way_out = Content.styled(f"{key_of('data.open_source')} opens another source.", "$text-muted")
            rows.show_notice(Content("This source has no rows. ") + way_out)

    def show_search_progress(self, filters: RowFilters, share: float) -> None:
        dataset = self.queries.dataset
        if dataset is not None:
            words = row_count_words(len(dataset), 0, share, filters, {})
            self._room.status_line.update(words, layout=False)

    def show_value_counts(self) -> None:
        self._show_status()

    def show_refused_query(self, filters: RowFilters, error: SuironError) -> None:
        bar = self._room.condition_bar
        if not filters.where or filters.where == bar.accepted or not isinstance(error, DataError):
            self.show_read_error(error)
            return
        # The condition cannot be asked: its line stays with the reason, and the rows stay as they were.
        if not bar.is_open:
            self._room.search_bar.close()
        answered = msgspec.structs.replace(filters, where=bar.accepted)
        self.queries.filters = answered
        self._remember(answered, None)
        bar.refuse(filters.where, safe_line(error_sentences(error).line, 500))
        if self.queries.selection is None:
            self.select(answered)
        else:
            self._show_status()

    def show_read_error(self, error: SuironError) -> None:
        if self.queries.dataset is not None:
            self._room.fail(self.queries.dataset.name, error)

    # -- words --

    def _show_status(self) -> None:
        """The line above the table, and which keys wait for the import."""
        dataset, selection, filters = self.queries.dataset, self.queries.selection, self._room.filters
        is_waiting = dataset is not None and not dataset.ready
        self._room.query_one(KeyBar).dim(WAIT_FOR_IMPORT if is_waiting else frozenset())
        if dataset is None:
            return
        if is_waiting:
            words = waiting_words(len(dataset), dataset.counted, filters, self._import_share)
        else:
            shown = len(selection) if selection is not None else 0
            words = row_count_words(len(dataset), shown, self.queries.share, filters, self.queries.value_counts)
        self._room.status_line.update(words, layout=False)
