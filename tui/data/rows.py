"""Looking at rows: the table, the pane with one row whole, one field alone. The lowest floor of the data room; knows no
filters and no edits.

Pages are fetched in a thread, one at a time, and only those in sight.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static
from textual.worker import get_current_worker

from core.base.errors import SuironError
from core.base.row import COLUMNS, Row
from core.data.filters import Filters
from tui.common.readable_error import readable
from tui.common.room import Room
from tui.data.clipboard import Clipboard
from tui.data.status_words import trouble_words
from tui.data.token_counts import TokenCounter
from tui.data.widgets.hits import Hits
from tui.data.widgets.row_pane import RowPane
from tui.data.widgets.rows_table import ADDED, CHANGED, PAGE, RowsTable
from tui.messages import AskRow, ModelChosen

if TYPE_CHECKING:
    from core.data.dataset import DataSet, Selection

WIDE = 110  # columns from which a row stands beside the table
FOLLOW_AFTER = 0.06  # seconds the cursor rests before the pane shows its row
COUNT_AFTER = 0.15  # seconds a row stands in the pane before its tokens are counted
SAID_FOR = 8.0  # seconds that a word about a key stands in the last line


class Rows(Room):
    """`_anchor` is the row (its index) the person last stood on: filters that drop it do not forget it."""

    def __init__(self) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self._dataset: DataSet | None = None
        self._selection: Selection | None = None
        self._shown: DataSet | None = (
            None  # the one whose rows stand in the table: after an edit, for a moment, not yet `_dataset`
        )
        self._anchor = 0
        self._at_last: int | None = (
            None  # where the cursor stands on the last row of those counted so far: it goes on to the true last
        )
        self._noticed = True  # words stand in the table's place
        self._fetching = False
        self._pane_open: bool | None = None  # None: as the width says
        self._moves = 0
        self._counter = TokenCounter()
        self._clipboard = Clipboard()
        self._line = Content("")  # what the last line says while no word about a key stands there
        self._said: Timer | None = None

    @property
    def table(self) -> RowsTable:
        return self.query_one("#table", RowsTable)

    @property
    def pane(self) -> RowPane:
        return self.query_one("#pane", RowPane)

    @property
    def filters(self) -> Filters:
        return self.suiron.session.filters

    @property
    def here(self) -> Row | None:
        """The row under the cursor; None where there is none, or while it is on its way."""
        return self.table.row_at(self.table.cursor)

    # -- words --

    def say(self, words: str) -> None:
        """A word about a key, in the last line, for a while. Safe text."""
        if self._said is not None:
            self._said.stop()
        self._said = self.set_timer(SAID_FOR, self._unsay) if words else None
        self.query_one("#said", Static).update(
            Content.styled(f" {words}", "$accent") if words else self._line, layout=False
        )

    def _unsay(self) -> None:
        self._said = None
        self.query_one("#said", Static).update(self._line, layout=False)

    def stand(self, line: Content) -> None:
        """What the last line says when nothing else is to be said there."""
        self._line = line
        if self._said is None:
            self.query_one("#said", Static).update(line, layout=False)

    def notice(self, content: Content | None) -> None:
        """Words in the table's place; None brings the table back."""
        self._noticed = content is not None
        if content is not None:
            self.query_one("#notice", Static).update(content)
        self.show_panes()

    def fail(self, source: str, error: SuironError) -> None:
        """The source cannot be read (any more): its rows go, the reason stays."""
        self.forget()
        self.notice(trouble_words(source, error, self.way_back))

    @property
    def way_back(self) -> str:
        """The source that was open before the one that failed; empty where there is none."""
        failed, before = self.suiron.data_error, self.suiron.session.data
        return before if failed is not None and failed[0] != before else ""

    def forget(self) -> None:
        """Show no rows."""
        self._dataset = self._selection = self._shown = self._at_last = None
        self.table.show(0, 0, {}, 0)
        self.pane.show(None)
        self.query_one("#status", Static).update("", layout=False)
        self.stand(Content(""))

    # -- what is where --

    def show_panes(self) -> None:
        """Table, pane and notice as the width and the person want them."""
        table, pane = self.table, self.pane
        is_open = self.app.size.width >= WIDE if self._pane_open is None else self._pane_open
        pane.display = not self._noticed and (is_open or pane.alone)
        table.display = not self._noticed and not pane.alone
        self.query_one("#notice").display = self._noticed
        self.query_one("#rows", Horizontal).set_class(pane.alone, "-alone")
        if pane.display:
            self._show_in_pane(self.here)
        # whoever had the focus may be gone from the screen
        if table.display and (pane.has_focus or self.focused is None):
            self.set_focus(table)
        elif pane.alone and pane.display and (table.has_focus or self.focused is None):
            self.set_focus(pane)

    def on_resize(self) -> None:
        self.show_panes()

    # -- pages --

    @on(RowsTable.Wanted)
    def _fetch(self) -> None:
        if self._fetching or self._selection is None:
            return
        missing = self.table.missing()
        if missing:
            self._fetching = True
            self.run_worker(
                partial(self._fetch_in_thread, self._selection, missing[0]),
                thread=True,
                group="pages",
                exit_on_error=False,
            )

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
            self.table.receive(page, rows)
        self._fetch()

    def _fetch_failed(self, selection: Selection, error: Exception) -> None:
        self._fetching = False
        if selection is self._selection and self._dataset is not None:
            self.fail(self._dataset.name, readable(error, self._dataset.name))

    def mark_of(self, index: int) -> str:
        """How the row is marked in the table."""
        dataset = self._shown
        if dataset is None or not dataset.changes or not dataset.changed(index):
            return " "
        return ADDED if dataset.before(index) is None else CHANGED

    # -- the cursor --

    @on(RowsTable.Moved)
    def _moved(self, message: RowsTable.Moved) -> None:
        if message.row is not None and message.by_hand:
            self._anchor = message.row.index
            self.suiron.remember(row=self._anchor)
        if message.by_hand and message.position != self._at_last:
            self._at_last = None
        if self.pane.display:
            self._moves += 1
            if message.by_hand:  # a key held down passes rows by; the pane shows the one it stops at
                self.set_timer(FOLLOW_AFTER, partial(self._follow, self._moves))
            else:
                self._show_in_pane(message.row)

    def _follow(self, move: int) -> None:
        if move == self._moves and self.pane.display:
            self._show_in_pane(self.here)

    def action_row_by(self, rows: int) -> None:
        self.table.move_by(rows)

    def action_row_at(self, position: int) -> None:
        if self.pane.alone:
            self.pane.line_by(-(10**9) if position >= 0 else 10**9)
        else:
            last = self.table.count - 1
            if position < 0 and self._dataset is not None and not self._dataset.counted:
                self._at_last = last
                self.say("The last of the rows counted so far; the cursor goes on to the last of all.")
            self.table.move_to(position if position >= 0 else last)

    def action_page_by(self, pages: int) -> None:
        if self.pane.alone:
            self.pane.page_by(pages)
        else:
            self.table.page_by(pages)

    # -- the whole row --

    def _show_in_pane(self, row: Row | None) -> None:
        dataset, before, added = self._shown, None, False
        if row is not None and dataset is not None and dataset.changes and dataset.changed(row.index):
            before = dataset.before(row.index)
            added = before is None
        self.pane.show(row, before, added)
        if row is not None:
            self.set_timer(COUNT_AFTER, partial(self._count_soon, row))

    def _count_soon(self, row: Row) -> None:
        if row == self.pane.row and self.pane.display:
            count = partial(
                self._count_in_thread, row, self.suiron.session.model, Hits(self.filters.text, self.filters.columns)
            )
            self.run_worker(count, thread=True, exclusive=True, group="count", exit_on_error=False)

    def _count_in_thread(self, row: Row, model: str, hits: Hits) -> None:
        worker = get_current_worker()
        found = {column: hits.of(column).count(getattr(row, column)) for column in COLUMNS}
        tokens = self._counter.count(row, model)
        if not worker.is_cancelled:
            self.app.call_from_thread(self.pane.count, row, tokens, found)

    @on(ModelChosen)
    def _other_model(self) -> None:
        if self.pane.row is not None:
            self._count_soon(self.pane.row)

    @on(RowsTable.Opened)
    def action_toggle_row(self) -> None:
        if self.pane.alone:
            self.action_toggle_alone()
            return
        self._pane_open = not self.pane.display
        self.show_panes()

    def action_pane_by(self, pages: int) -> None:
        if not self.pane.display:
            self.action_toggle_row()
        else:
            self.pane.page_by(pages)

    def action_pane_line_by(self, lines: int) -> None:
        if self.pane.display:
            self.pane.line_by(lines)

    def open_pane(self) -> bool:
        """Open the pane where it is closed and there is a row; whether there is one."""
        if self.here is None:
            self.say("No row stands here.")
            return False
        if not self.pane.display:
            self._pane_open = True
            self.show_panes()
        return True

    def action_field_by(self, by: int) -> None:
        if self.pane.display:
            self.pane.field_by(by)
        else:
            self.open_pane()

    def action_toggle_fold(self) -> None:
        if self.pane.display and not self.pane.toggle_fold():
            self.say(
                "One field alone does not fold; Esc goes back to the row."
                if self.pane.alone
                else "syslang and sysflag have nothing to fold."
            )
        elif not self.pane.display:
            self.open_pane()

    def action_toggle_alone(self) -> None:
        """One field on the whole screen, and back."""
        if self.pane.alone or self.here is not None:
            self._show_in_pane(self.here)
            self.pane.show_alone(not self.pane.alone)
            self.show_panes()
        else:
            self.say("No row stands here.")

    def action_copy_field(self) -> None:
        row = self.here
        if row is not None and self.open_pane():
            self.say(self._clipboard.copy(self.app, f"row-{row.index}-{self.pane.field}", self.pane.text))

    def action_ask_row(self) -> None:
        row = self.here
        if row is not None:
            self.post_message(AskRow(row))
