"""The rows: the table, the pane with one complete row, and a notice where there is nothing to show.

Decides which of them is visible, and lets the pane follow the cursor of the table. Fetches no rows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from core.base.row import COLUMNS, Row
from core.data.filters import RowFilters
from tui.actions import key_of
from tui.common.message_line import ShowMessage
from tui.data.field_copier import FieldCopier
from tui.data.field_token_counter import FieldTokenCounter
from tui.data.widgets.row_pane import RowPane
from tui.data.widgets.rows_table import ADDED, CHANGED, RowsTable
from tui.data.widgets.search_matches import NO_MATCHES, SearchMatches

if TYPE_CHECKING:
    from core.data.dataset import DataSet

WIDE = 110  # columns from which the pane is open beside the table
FOLLOW_AFTER = 0.06  # seconds the cursor rests before the pane shows its row
COUNT_AFTER = 0.15  # seconds a row is in the pane before its tokens are counted
FAR = 10**9  # lines: beyond the end of any field
NO_ROW_WORDS = "No row selected, or it is still loading."


class RowsView(Horizontal):
    """Posts `ShowMessage`; messages of the table and the pane bubble up to the screen."""

    def __init__(self) -> None:
        super().__init__(id="rows")
        self.table = RowsTable(id="table")
        self.pane = RowPane(id="pane")
        self._notice = Static(id="notice")
        self._has_notice = True
        self._pane_open: bool | None = None  # None: as the width says
        self._dataset: DataSet | None = None
        self._matches = NO_MATCHES
        self._model = ""
        self._moves = 0
        self._counted_end: int | None = None
        self._token_counter = FieldTokenCounter()
        self._copier = FieldCopier()

    def compose(self) -> ComposeResult:
        yield self.table
        yield self._notice
        yield self.pane

    def on_mount(self) -> None:
        self.table.mark_rows(self._mark_of)

    @property
    def row(self) -> Row | None:
        """The row under the cursor; None where there is none, or while it is loading."""
        return self.table.row_at(self.table.cursor)

    @property
    def waits_at_end(self) -> bool:
        """Whether the user went to the last row before all rows were counted: the cursor will move to the true last."""
        return self._counted_end is not None

    @property
    def has_notice(self) -> bool:
        return self._has_notice

    # -- what is shown --

    def show_rows(
        self, dataset: DataSet, filters: RowFilters, count: int, cursor: int | None, pages: dict[int, list[Row]]
    ) -> None:
        """Show `count` rows of the data set, the cursor on the position `cursor`; where None, the rows shown have only
        grown at their end. pages: rows by page number, to be drawn at once."""
        self._dataset = dataset
        self._matches = SearchMatches(filters.text, filters.columns)
        self.table.highlight(self._matches, filters.sort, filters.descending)
        self.pane.highlight(self._matches)
        if cursor is None:
            self.table.grow(count)
        else:
            self.table.show(count, cursor, pages, max(dataset.highest, 0))
        if self._counted_end is not None:
            self._counted_end = self.table.cursor if not dataset.counted else None
            if dataset.counted:
                self._say("")

    def clear(self) -> None:
        """Show no rows."""
        self._dataset = self._counted_end = None
        self.table.show(0, 0, {}, 0)
        self.pane.show(None)

    def show_notice(self, content: Content) -> None:
        """Words in place of the rows."""
        self._has_notice = True
        self._notice.update(content)
        self.update_panes()

    def hide_notice(self) -> None:
        if self._has_notice:
            self._has_notice = False
            self.update_panes()

    def count_tokens_for(self, model: str) -> None:
        """Count the tokens of the row in the pane for this model from now on."""
        self._model = model
        if self.pane.row is not None:
            self._count_row(self.pane.row)

    def update_panes(self) -> None:
        """Show table, pane and notice as the width and the user want them."""
        table, pane, screen = self.table, self.pane, self.screen
        is_open = self.app.size.width >= WIDE if self._pane_open is None else self._pane_open
        pane.display = not self._has_notice and (is_open or pane.alone)
        table.display = not self._has_notice and not pane.alone
        self._notice.display = self._has_notice
        self.set_class(pane.alone, "-alone")
        if pane.display:
            self.show_in_pane(self.row)
        # the widget that had the focus may be hidden now
        if table.display and (pane.has_focus or screen.focused is None):
            screen.set_focus(table)
        elif pane.alone and pane.display and (table.has_focus or screen.focused is None):
            screen.set_focus(pane)

    def focus_rows(self) -> None:
        self.screen.set_focus(self.pane if self.pane.alone else self.table)

    def _mark_of(self, index: int) -> str:
        """How the row is marked in the table."""
        dataset = self._dataset
        if dataset is None or not dataset.changes or not dataset.changed(index):
            return " "
        return ADDED if dataset.before(index) is None else CHANGED

    def _say(self, words: str) -> None:
        self.post_message(ShowMessage(words))

    # -- the table --

    @on(RowsTable.Moved)
    def _follow_soon(self, message: RowsTable.Moved) -> None:
        if message.by_hand and message.position != self._counted_end:
            self._counted_end = None
        if not self.pane.display:
            return
        self._moves += 1
        if message.by_hand:  # a key held down passes rows by; the pane shows the one it stops at
            self.set_timer(FOLLOW_AFTER, partial(self._follow, self._moves))
        else:
            self.show_in_pane(message.row)

    def _follow(self, move: int) -> None:
        if move == self._moves and self.pane.display:
            self.show_in_pane(self.row)

    def go_to_end(self, to_last: bool) -> None:
        """Go to the first or last row, or to the first or last line of a field that is shown alone."""
        if self.pane.alone:
            self.pane.line_by(FAR if to_last else -FAR)
        elif to_last:
            last = self.table.row_count - 1
            if self._dataset is not None and not self._dataset.counted:
                self._counted_end = last
                self._say("The last row counted so far. The cursor will move on to the true last row.")
            self.table.move_to(last)
        else:
            self.table.move_to(0)

    def page_by(self, pages: int) -> None:
        """Go by screenfuls of rows, or of a field that is shown alone."""
        if self.pane.alone:
            self.pane.page_by(pages)
        else:
            self.table.page_by(pages)

    # -- the pane --

    def show_in_pane(self, row: Row | None) -> None:
        """Show the row in the pane, and count its tokens a moment later."""
        dataset, before, is_added = self._dataset, None, False
        if row is not None and dataset is not None and dataset.changes and dataset.changed(row.index):
            before = dataset.before(row.index)
            is_added = before is None
        self.pane.show(row, before, is_added)
        if row is not None:
            self.set_timer(COUNT_AFTER, partial(self._count_row, row))

    def _count_row(self, row: Row) -> None:
        if row == self.pane.row and self.pane.display:
            count = partial(self._count_in_thread, row, self._model, self._matches)
            self.run_worker(count, thread=True, exclusive=True, group="count", exit_on_error=False)

    def _count_in_thread(self, row: Row, model: str, matches: SearchMatches) -> None:
        worker = get_current_worker()
        match_counts = {column: matches.in_columns(column).count(getattr(row, column)) for column in COLUMNS}
        tokens = self._token_counter.count_tokens(row, model)
        if not worker.is_cancelled:
            self.app.call_from_thread(self.pane.show_counts, row, tokens, match_counts)

    @on(RowsTable.Opened)
    def toggle_pane(self) -> None:
        """Open or close the pane; return to the table from a field that is shown alone."""
        if self.pane.alone:
            self.toggle_alone()
            return
        self._pane_open = not self.pane.display
        self.update_panes()

    def open_pane(self) -> bool:
        """Open the pane if a row is selected. Returns whether one is."""
        if self.row is None:
            self._say(NO_ROW_WORDS)
            return False
        if not self.pane.display:
            self._pane_open = True
            self.update_panes()
        return True

    def page_pane_by(self, pages: int) -> None:
        """Scroll the pane, or open it."""
        if self.pane.display:
            self.pane.page_by(pages)
        else:
            self.toggle_pane()

    def line_pane_by(self, lines: int) -> None:
        if self.pane.display:
            self.pane.line_by(lines)

    def field_by(self, by: int) -> None:
        """Go to another field of the row, or open the pane."""
        if self.pane.display:
            self.pane.field_by(by)
        else:
            self.open_pane()

    def go_to_field(self, field: str) -> None:
        """Open the pane on a field."""
        if field:
            self.pane.go_to_field(field)
        if not self._has_notice and not self.pane.display:
            self._pane_open = True
            self.update_panes()

    def toggle_fold(self) -> None:
        """Fold the field or unfold it."""
        if not self.pane.display:
            self.open_pane()
        elif not self.pane.toggle_fold():
            words = "syslang and sysflag cannot be folded."
            if self.pane.alone:
                words = f"A field shown alone cannot be folded; {key_of('data.go_back')} goes back to the row."
            self._say(words)

    def toggle_alone(self) -> None:
        """Show one field on the full screen, or the row again."""
        if self.pane.alone or self.row is not None:
            self.show_in_pane(self.row)
            self.pane.show_alone(not self.pane.alone)
            self.update_panes()
        else:
            self._say(NO_ROW_WORDS)

    def copy_field(self) -> None:
        """Copy the field the cursor of the pane is on."""
        row = self.row
        if row is not None and self.open_pane():
            self._say(self._copier.copy_field(self.app, f"row-{row.index}-{self.pane.field}", self.pane.text))
