"""The data room: the rows of a source, looked at, mended and judged. This floor is what stands on the screen, and a
source that comes and goes.

Below it, each on the one before: `data_rows` (look), `data_asking` and `data_filters` (ask), `data_edits` (mend),
`data_judge` (all rows at once).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Label, Static

from core.base.row import COLUMNS
from core.base.safe_text import safe_line
from core.data.filters import Filters
from tui.actions import Scope, bindings, key_of
from tui.data.judging import Judging
from tui.data.rows import WIDE
from tui.data.source_watch import what_happened
from tui.data.status_words import change_words, problem_words
from tui.data.widgets.row_pane import RowPane
from tui.data.widgets.rows_table import RowsTable
from tui.messages import DataFailed, DataOpened, DataOpening

if TYPE_CHECKING:
    from core.data.dataset import DataSet


WATCH_EVERY = 5.0  # seconds between two looks whether the source is still what it was


class Line(Input):
    """One line for what is searched for or asked; its cursor stands still."""

    def __init__(self, value: str, placeholder: str, *, id: str, select_on_focus: bool = True) -> None:
        super().__init__(value, placeholder=placeholder, id=id, compact=True, select_on_focus=select_on_focus)
        self.cursor_blink = False


class DataScreen(Judging):
    """Every key of the room stands in `tui.actions`; what each does, on one of the floors."""

    SCOPE: ClassVar[Scope] = "data"
    BINDINGS: ClassVar[list[BindingType]] = bindings("data")
    CSS_PATH = "screen.tcss"
    AUTO_FOCUS = ""  # Textual's own choice would be the search field, which is focusable even while it is hidden

    def __init__(self) -> None:
        super().__init__()
        self._happened = ""  # to the files of the source since it was opened
        self._chosen_now = False  # a person has just chosen the source: what is unclear about it is asked

    def compose_room(self) -> ComposeResult:
        filters = self.suiron.session.filters
        yield Static(id="status")
        with Horizontal(id="search-line", classes="line"):
            yield Label("/ all columns", id="search-in")
            yield Line(filters.text, "text to find; Tab one column; Enter keeps, Esc drops", id="search")
        with Horizontal(id="where-line", classes="line"):
            yield Label("where")
            yield Line(
                filters.where,
                "SQL, as in length(reasoning) > 2000 and syslang = 'Japanese'",
                id="where",
                select_on_focus=False,
            )
        yield Static(id="where-trouble")
        with Horizontal(id="rows"):
            yield RowsTable(id="table")
            yield Static(id="notice")
            yield RowPane(id="pane")
        yield Static(id="said")

    def on_mount(self) -> None:
        self._anchor = self.suiron.session.row
        self._good_where = ""
        for hidden in ("#search-line", "#where-line", "#where-trouble"):
            self.query_one(hidden).display = False
        self.table.mark(self.mark_of)
        self.set_interval(WATCH_EVERY, self._watch)
        self.set_focus(self.table)
        self.show_panes()
        if self.suiron.dataset is not None:
            self._opened(self.suiron.dataset)
        elif self.suiron.data_error is not None:
            self.fail(*self.suiron.data_error)
        else:
            self.notice(Content(f"Opening {safe_line(self.suiron.session.data)} …"))

    # -- a source comes and goes --

    @on(DataOpening)
    def _on_opening(self, message: DataOpening) -> None:
        if message.early:
            self._imported = message.share
            self.show_status()
            return
        if message.share is None:
            self._let_go()
        share = f" {message.share:.0%}" if message.share is not None else ""
        self.notice(Content(f"Opening {safe_line(message.source)} …{share}"))

    @on(DataOpened)
    def _on_opened(self, message: DataOpened) -> None:
        self._opened(message.dataset)

    @on(DataFailed)
    def _on_failed(self, message: DataFailed) -> None:
        self._let_go()
        self.fail(message.source, message.error)

    def _let_go(self) -> None:
        """Another source is to be opened: of this one nothing stays."""
        if self._dataset is not None:
            self._dataset.interrupt()
        self.forget()
        self._facets, self._facets_of, self._answered, self._imported, self._found = {}, None, None, None, None
        if self._writer is not None:
            self.run_worker(self.close_writer(), group="edit")

    def _opened(self, dataset: DataSet) -> None:
        """Show a data set; where it is the whole of what was shown early, cursor, scroll and pane stay."""
        early = self._dataset
        if dataset is early:
            return
        follows = (
            early is not None and not early.ready and (early.source, early.split) == (dataset.source, dataset.split)
        )
        self._dataset = dataset
        if not follows:
            self._happened = ""
            self._anchor = self.suiron.session.row
            self._selection, self._good_where = None, ""
            self.table.begin(set(COLUMNS) - set(dataset.columns))
            self.query_one("#search", Input).value = self.filters.text
        elif set(dataset.columns) != set(early.columns if early is not None else ()):
            self.table.lack(set(COLUMNS) - set(dataset.columns))
        self._answered = Filters() if follows and self.filters == Filters() else None
        self.show_standing()
        self.select(self.filters)
        if self._chosen_now:
            self._chosen_now = False
            if dataset.mapping.unclear:
                self.action_map_columns()

    @on(events.ScreenResume)
    def _watch(self) -> None:
        dataset = self._dataset
        if dataset is not None and self.is_current:
            self.run_worker(
                partial(self._watch_in_thread, dataset), thread=True, exclusive=True, group="watch", exit_on_error=False
            )

    def _watch_in_thread(self, dataset: DataSet) -> None:
        happened = what_happened(dataset)
        if happened != self._happened:
            self.app.call_from_thread(self._tell_what_happened, dataset, happened)

    def _tell_what_happened(self, dataset: DataSet, happened: str) -> None:
        if dataset is self._dataset:
            self._happened = happened
            self.show_standing()

    def show_standing(self) -> None:
        dataset = self._dataset
        if dataset is None:
            return
        parts = []
        if self._happened:
            parts.append(Content.styled(f" {self._happened} ", "$warning"))
        if unclear := list(dataset.mapping.unclear):
            words = f" {' and '.join(unclear)} could be taken from several columns; {key_of('data.map_columns')} chooses "
            parts.append(Content.styled(words, "$warning"))
        if changes := change_words(dataset.changes.changed, dataset.changes.added, dataset.changes.deleted):
            where = (
                f", kept in {safe_line(self._writer.where.name, 60)}; the source stays as it is"
                if self._writer is not None
                else ""
            )
            parts.append(Content.styled(f" edits: {changes}{where} ", "$text-muted"))
        if dataset.problem_count:
            parts.append(problem_words(dataset.problems, dataset.problem_count))
        self.stand(Content("·").join(parts))

    # -- keys whose meaning depends on what is open --

    def action_back(self) -> None:
        if self.writing_where:
            self._close_where()
        elif self.searching:
            self.drop_search()
        elif self.pane.alone:
            self.action_toggle_alone()
        elif self.pane.display and self.app.size.width < WIDE:
            self.action_toggle_row()
        elif self.way_back:
            self.suiron.open_data(self.way_back, self.suiron.session.split)

    def action_field_by(self, by: int) -> None:
        if self.searching and self.query_one("#search").has_focus:
            self.next_searched_column(by)
        elif not self.writing_where:
            super().action_field_by(by)

    def action_row_by(self, rows: int) -> None:
        if self.writing_where and self.query_one("#where").has_focus:
            self.where_before(rows)
        else:
            super().action_row_by(rows)

    # -- dialogs about the source --

    def action_show_problems(self) -> None:
        if self._dataset is None or not self._dataset.problem_count:
            self.say("Every row could be read.")
            return
        from tui.data.dialogs.problems import ProblemsDialog

        self.app.push_screen(ProblemsDialog(self._dataset.problems, self._dataset.problem_count))

    def action_open_data(self) -> None:
        from tui.data.dialogs.open_data import OpenDialog

        session, failed = self.suiron.session, self.suiron.data_error
        source, split = (
            (failed[0], "") if failed is not None else (session.data, session.split)
        )  # a mistyped path is there to be mended
        self.app.push_screen(OpenDialog(source, split), self._open_chosen)

    def _open_chosen(self, choice: tuple[str, str] | None) -> None:
        if choice is not None:
            self._chosen_now = True
            self.suiron.open_data(*choice)
