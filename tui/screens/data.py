"""The data room: the rows of a source, filtered and searched, and one of them whole.

Every question to the data set is asked in a thread; of two questions the newer wins. Knows no files and no queries.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from core.errors import SuironError
from core.row import COLUMNS, Row
from core.safe_text import safe_line
from core.session import Filters
from tui.actions import Scope, bindings
from tui.errors import readable
from tui.messages import AskRow, DataFailed, DataOpened, DataOpening
from tui.screens.base import Room
from tui.screens.data_words import Facets, problem_words, status_words, trouble_words
from tui.widgets.row_pane import RowPane
from tui.widgets.rows_table import PAGE, RowsTable

if TYPE_CHECKING:
    from core.data.dataset import DataSet, Selection

WIDE = 110  # columns from which a row stands beside the table
FOLLOW_AFTER = 0.06  # seconds the cursor rests before the pane shows its row
SEARCH_AFTER = 0.15  # seconds without a key before the text is searched for


class DataScreen(Room):
    """`_anchor` is the row (its index in the source) the person last stood on: filters that drop it do not forget it."""

    SCOPE: ClassVar[Scope] = "data"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("data"))
    CSS_PATH = "data.tcss"
    AUTO_FOCUS = ""  # Textual's own choice would be the search field, which is focusable even while it is hidden

    def __init__(self) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self._dataset: DataSet | None = None
        self._selection: Selection | None = None
        self._facets: Facets = {}
        self._anchor = 0
        self._fetching = False
        self._pane_open: bool | None = None  # None: as the width says
        self._search_serial = 0
        self._moves = 0

    def compose_room(self) -> ComposeResult:
        yield Static(id="status")
        search = Input(self.suiron.session.filters.text, placeholder="text in any column; Enter keeps it, Esc drops it", id="search")
        search.cursor_blink = False
        yield search
        with Horizontal(id="rows"):
            yield RowsTable(id="table")
            yield Static(id="notice")
            yield RowPane(id="pane")
        yield Static(id="problems")

    def on_mount(self) -> None:
        self._anchor = self.suiron.session.row
        self.query_one("#search").display = False
        self.query_one("#problems").display = False
        self.set_focus(self._table)
        self._arrange()
        if self.suiron.dataset is not None:
            self._opened(self.suiron.dataset)
        elif self.suiron.data_error is not None:
            self._failed(*self.suiron.data_error)
        else:
            self._notice(Content(f"Opening {safe_line(self.suiron.session.data)} …"))

    @property
    def _table(self) -> RowsTable:
        return self.query_one("#table", RowsTable)

    @property
    def _pane(self) -> RowPane:
        return self.query_one("#pane", RowPane)

    @property
    def filters(self) -> Filters:
        return self.suiron.session.filters

    # -- a source comes and goes --

    @on(DataOpening)
    def _on_opening(self, message: DataOpening) -> None:
        if message.share is None:
            self._forget()
        share = f" {message.share:.0%}" if message.share is not None else ""
        self._notice(Content(f"Opening {safe_line(message.source)} …{share}"))

    @on(DataOpened)
    def _on_opened(self, message: DataOpened) -> None:
        self._opened(message.dataset)

    @on(DataFailed)
    def _on_failed(self, message: DataFailed) -> None:
        self._failed(message.source, message.error)

    def _forget(self) -> None:
        self._dataset = self._selection = None
        self._facets = {}
        self._table.show(0, 0, 0, [], 0)
        self._pane.show(None)
        self.query_one("#status", Static).update("")
        self.query_one("#problems").display = False

    def _opened(self, dataset: DataSet) -> None:
        if dataset is self._dataset:
            return
        self._dataset = dataset
        self._anchor = self.suiron.session.row
        self._table.lack(set(COLUMNS) - set(dataset.columns))
        self.query_one("#search", Input).value = self.filters.text
        count = dataset.problem_count
        line = self.query_one("#problems", Static)
        line.display = bool(count)
        if count:
            line.update(problem_words(dataset.problems, count))
        self._select(self.filters)

    def _failed(self, source: str, error: SuironError) -> None:
        self._forget()
        self._notice(trouble_words(source, error, self._way_back))

    @property
    def _way_back(self) -> str:
        """The source that was open before the one that failed; empty where there is none."""
        failed, before = self.suiron.data_error, self.suiron.session.data
        return before if failed is not None and failed[0] != before else ""

    def _notice(self, content: Content | None) -> None:
        """Words in the table's place; None brings the table back."""
        notice = self.query_one("#notice", Static)
        notice.display = content is not None
        self._table.display = content is None
        if content is not None:
            notice.update(content)
        elif self.focused is None:
            self.set_focus(self._table)
        self._arrange()

    # -- filters --

    def _select(self, filters: Filters) -> None:
        if self._dataset is None:
            return
        self.suiron.remember(filters=filters)
        self.run_worker(
            partial(self._select_in_thread, self._dataset, filters, self._anchor), thread=True, exclusive=True, group="select", exit_on_error=False
        )

    def _select_in_thread(self, dataset: DataSet, filters: Filters, anchor: int) -> None:
        worker = get_current_worker()
        try:
            facets = self._facets or dataset.facets()
            selection = dataset.select(filters)
            count = len(selection)
            cursor = selection.position(anchor) if count else None
            page = (cursor or 0) // PAGE
            rows = selection.page(page * PAGE, PAGE) if count else []
        except Exception as error:  # whatever a source does to its reader, it is shown, and the app stays
            if not worker.is_cancelled:
                self.app.call_from_thread(self._failed, dataset.name, readable(error, dataset.name))
            return
        if not worker.is_cancelled:
            self.app.call_from_thread(self._selected, dataset, filters, selection, facets, count, cursor or 0, page, rows)

    def _selected(
        self,
        dataset: DataSet,
        filters: Filters,
        selection: Selection,
        facets: Facets,
        count: int,
        cursor: int,
        page: int,
        rows: list[Row],
    ) -> None:
        if dataset is not self._dataset or filters != self.filters:
            return  # a newer question is on its way
        self._selection, self._facets = selection, facets
        self._table.show(count, cursor, page, rows, max(len(dataset) - 1, 0))
        self.query_one("#status", Static).update(status_words(len(dataset), count, filters, facets), layout=False)
        if count:
            self._notice(None)
        elif len(dataset):
            self._notice(Content("No row passes these filters. ") + Content.styled("x shows all rows again.", "$text-muted"))
        else:
            self._notice(Content("There are no rows here. ") + Content.styled("o opens another source.", "$text-muted"))

    def action_next_language(self) -> None:
        self._next_value("syslang")

    def action_next_flag(self) -> None:
        self._next_value("sysflag")

    def _next_value(self, column: str) -> None:
        values = ["", *(value for value, _ in self._facets.get(column, []) if value)]
        if len(values) == 1:
            self.notify(f"No row has a {column}.", markup=False)
            return
        now = getattr(self.filters, column)
        following = values[(values.index(now) + 1) % len(values)] if now in values else ""
        self._select(msgspec.structs.replace(self.filters, **{column: following}))

    def action_clear_filters(self) -> None:
        self.query_one("#search", Input).value = ""
        self._close_search()
        self._select(Filters())

    # -- search --

    def action_search(self) -> None:
        search = self.query_one("#search", Input)
        search.display = True
        self.set_focus(search)  # at once: `focus()` waits its turn, and what is typed meanwhile would go to the table

    @on(Input.Changed, "#search")
    def _search_changed(self, event: Input.Changed) -> None:
        self._search_serial += 1
        if event.value != self.filters.text:
            self.set_timer(SEARCH_AFTER, partial(self._search_now, self._search_serial))

    def _search_now(self, serial: int) -> None:
        if serial == self._search_serial:
            self._search_for(self.query_one("#search", Input).value)

    def _search_for(self, text: str) -> None:
        if text != self.filters.text:
            self._select(msgspec.structs.replace(self.filters, text=text))

    @on(Input.Submitted, "#search")
    def _search_kept(self, event: Input.Submitted) -> None:
        self._search_serial += 1
        self._close_search()
        self._search_for(event.value)

    def _close_search(self) -> None:
        search = self.query_one("#search", Input)
        if search.display:
            search.display = False
            self.set_focus(self._table)

    def action_back(self) -> None:
        search = self.query_one("#search", Input)
        if search.display:
            self._search_serial += 1
            search.value = ""
            self._close_search()
            self._search_for("")
        elif self._pane.display and not self._wide:
            self.action_toggle_row()
        elif self._way_back:
            self.suiron.open_data(self._way_back, self.suiron.session.split)

    # -- rows --

    @on(RowsTable.Wanted)
    def _fetch(self) -> None:
        if self._fetching or self._selection is None:
            return
        missing = self._table.missing()
        if missing:
            self._fetching = True
            self.run_worker(partial(self._fetch_in_thread, self._selection, missing[0]), thread=True, group="pages", exit_on_error=False)

    def _fetch_in_thread(self, selection: Selection, page: int) -> None:
        try:
            rows = selection.page(page * PAGE, PAGE)
        except Exception as error:  # the source may have gone; it is shown, and the app stays
            self.app.call_from_thread(self._fetch_failed, selection, error)
        else:
            self.app.call_from_thread(self._fetched, selection, page, rows)

    def _fetched(self, selection: Selection, page: int, rows: list[Row]) -> None:
        self._fetching = False
        if selection is self._selection:
            self._table.receive(page, rows)
        self._fetch()

    def _fetch_failed(self, selection: Selection, error: Exception) -> None:
        self._fetching = False
        if selection is self._selection and self._dataset is not None:
            self._failed(self._dataset.name, readable(error, self._dataset.name))

    @on(RowsTable.Moved)
    def _moved(self, message: RowsTable.Moved) -> None:
        if message.row is not None and message.by_hand:
            self._anchor = message.row.index
            self.suiron.remember(row=self._anchor)
        if self._pane.display:
            self._moves += 1
            if message.by_hand:  # a key held down passes rows by; the pane shows the one it stops at
                self.set_timer(FOLLOW_AFTER, partial(self._follow, self._moves))
            else:
                self._pane.show(message.row)

    def _follow(self, move: int) -> None:
        if move == self._moves and self._pane.display:
            self._pane.show(self._table.row_at(self._table.cursor))

    def action_row_by(self, rows: int) -> None:
        self._table.move_by(rows)

    def action_row_at(self, position: int) -> None:
        self._table.move_to(position if position >= 0 else self._table.count - 1)

    def action_page_by(self, pages: int) -> None:
        self._table.page_by(pages)

    # -- the whole row --

    @property
    def _wide(self) -> bool:
        return self.app.size.width >= WIDE

    def _arrange(self) -> None:
        is_open = self._wide if self._pane_open is None else self._pane_open
        pane = self._pane
        pane.display = is_open and self._table.display
        if pane.display:
            pane.show(self._table.row_at(self._table.cursor))
        elif pane.has_focus:
            self.set_focus(self._table)

    def on_resize(self) -> None:
        self._arrange()

    @on(RowsTable.Opened)
    def action_toggle_row(self) -> None:
        self._pane_open = not self._pane.display
        self._arrange()

    def action_pane_by(self, pages: int) -> None:
        if not self._pane.display:
            self.action_toggle_row()
        else:
            self._pane.page_by(pages)

    def action_show_more(self) -> None:
        if not self._pane.display or not self._pane.show_more():
            self.notify("Nothing of this row is left out." if self._pane.display else "Enter opens the row first.", markup=False)

    def action_ask_row(self) -> None:
        row = self._table.row_at(self._table.cursor)
        if row is not None:
            self.post_message(AskRow(row))

    def action_show_problems(self) -> None:
        if self._dataset is None or not self._dataset.problem_count:
            self.notify("Every row could be read.", markup=False)
            return
        from tui.screens.problems import ProblemsDialog

        self.app.push_screen(ProblemsDialog(self._dataset.problems, self._dataset.problem_count))

    def action_open_data(self) -> None:
        from tui.screens.open_data import OpenDialog

        session, failed = self.suiron.session, self.suiron.data_error
        source, split = (failed[0], "") if failed is not None else (session.data, session.split)  # a mistyped path is there to be mended
        self.app.push_screen(OpenDialog(source, split), self._open_chosen)

    def _open_chosen(self, choice: tuple[str, str] | None) -> None:
        if choice is not None:
            self.suiron.open_data(*choice)
