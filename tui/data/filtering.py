"""What narrows and orders the rows: the search line, the WHERE line, values, sorting; and a row by its number. Finds
nothing itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from textual import on
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Label, Static

from core.base.errors import DataError, SuironError
from core.base.row import COLUMNS
from core.base.safe_text import safe_line
from core.data.filters import Filters
from tui.data.asking import TOP, Asking

if TYPE_CHECKING:
    from core.data.dataset import DataSet, Selection

SEARCH_AFTER = 0.15  # seconds without a key before the text is searched for
REMEMBERED = 50  # conditions of the WHERE line


class Filtering(Asking):
    """Escape, Tab and the arrows mean something else while one of the lines is open; the room decides that."""

    def __init__(self) -> None:
        super().__init__()
        self._search_serial = 0
        self._good_where = ""  # the last condition that could be asked
        self._conditions: list[str] = []  # asked before, the newest last
        self._condition = 0  # which of them stands in the line

    # -- values --

    def action_next_language(self) -> None:
        self._next_value("syslang")

    def action_next_flag(self) -> None:
        self._next_value("sysflag")

    def _next_value(self, column: str) -> None:
        if not self.ready:
            return
        values = ["", *(value for value, _ in self._facets.get(column, []) if value)]
        if len(values) == 1:
            self.say(f"No row has a {column}.")
            return
        now = getattr(self.filters, column)
        following = values[(values.index(now) + 1) % len(values)] if now in values else ""
        self.select(msgspec.structs.replace(self.filters, **{column: following}))

    def action_clear_filters(self) -> None:
        """All rows again, in the order of the source."""
        self.query_one("#search", Input).value = ""
        self._close_search()
        self._close_where()
        self._good_where = ""
        self.select(Filters())

    def action_choose_sort(self) -> None:
        from tui.data.dialogs.sort import SortDialog

        if self._dataset is not None:
            self.app.push_screen(
                SortDialog(self.filters.sort, self.filters.descending, self._dataset.columns), self._sort_chosen
            )

    def _sort_chosen(self, choice: tuple[str, bool] | None) -> None:
        if choice is not None:
            self.select(
                msgspec.structs.replace(self.filters, sort=choice[0], descending=choice[1]), TOP if choice[0] else None
            )

    def action_show_facets(self) -> None:
        from tui.data.dialogs.facets import FacetsDialog

        if self.ready and self._dataset is not None:
            now = {column: getattr(self.filters, column) for column in ("syslang", "sysflag")}
            self.app.push_screen(FacetsDialog(self._facets, now, len(self._dataset)), self._value_chosen)

    def _value_chosen(self, choice: tuple[str, str | None] | None) -> None:
        if choice is None:
            return
        column, value = choice
        if value == "":  # no filter has a word for it, but a condition has
            self._ask_where(f"{column} = ''")
        else:
            self.select(msgspec.structs.replace(self.filters, **{column: value or ""}))

    # -- search --

    def action_search(self) -> None:
        self._close_where()
        self._show_searched_columns()
        self.query_one("#search-line", Horizontal).display = True
        self.set_focus(
            self.query_one("#search", Input)
        )  # at once: `focus()` waits its turn, and what is typed meanwhile would go to the table

    @property
    def searching(self) -> bool:
        """Whether the search line is open."""
        return bool(self.query_one("#search-line").display)

    def next_searched_column(self, by: int) -> None:
        """Search all columns, or the next one alone."""
        choices = ((), *((column,) for column in COLUMNS))
        now = self.filters.columns if self.filters.columns in choices else ()
        columns = choices[(choices.index(now) + by) % len(choices)]
        self.select(msgspec.structs.replace(self.filters, columns=columns))
        self._show_searched_columns()

    def _show_searched_columns(self) -> None:
        columns = self.filters.columns
        self.query_one("#search-in", Label).update(Content(f"/ {', '.join(columns) if columns else 'all columns'}"))

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
            self.select(msgspec.structs.replace(self.filters, text=text, columns=self.filters.columns if text else ()))

    @on(Input.Submitted, "#search")
    def _search_kept(self, event: Input.Submitted) -> None:
        self._search_serial += 1
        self._close_search()
        self._search_for(event.value)

    def _close_search(self) -> None:
        line = self.query_one("#search-line", Horizontal)
        if line.display:
            line.display = False
            self._focus_rows()

    def drop_search(self) -> None:
        """Close the search line and search for nothing."""
        self._search_serial += 1
        self.query_one("#search", Input).value = ""
        self._close_search()
        self._search_for("")

    def _focus_rows(self) -> None:
        self.set_focus(self.pane if self.pane.alone else self.table)

    # -- the WHERE line --

    def action_where(self) -> None:
        """Open the line in which a condition in SQL is written."""
        self._close_search()
        field = self.query_one("#where", Input)
        field.value = self.filters.where
        field.cursor_position = len(field.value)
        self._condition = len(self._conditions)
        self._where_trouble("")
        self.query_one("#where-line", Horizontal).display = True
        self.set_focus(field)

    @property
    def writing_where(self) -> bool:
        return bool(self.query_one("#where-line").display)

    @on(Input.Submitted, "#where")
    def _where_given(self, event: Input.Submitted) -> None:
        self._ask_where(event.value.strip())

    def _ask_where(self, condition: str) -> None:
        if condition and (not self._conditions or self._conditions[-1] != condition):
            self._conditions = [*self._conditions[-REMEMBERED:], condition]
        self._condition = len(self._conditions)
        if condition == self.filters.where:
            if condition == self._good_where:  # else it is still being asked
                self._close_where()
            return
        if not condition:
            self._good_where = ""
            self._close_where()
        self.select(msgspec.structs.replace(self.filters, where=condition))
        if self._dataset is not None and not self._dataset.ready:
            self._close_where()

    def where_before(self, by: int) -> None:
        """A condition asked before stands in the line; beyond the newest, none."""
        field, known = self.query_one("#where", Input), [*self._conditions, ""]
        place = self._condition + by
        while 0 <= place < len(known) and known[place] == field.value:
            place += by
        if 0 <= place < len(known):
            self._condition, field.value = place, known[place]
            field.cursor_position = len(field.value)

    def question_refused(self, dataset: DataSet, filters: Filters, error: SuironError) -> None:
        if filters.where and filters.where != self._good_where and isinstance(error, DataError):
            self._mend_where(filters, error)
        else:
            super().question_refused(dataset, filters, error)

    def question_answered(self, filters: Filters) -> None:
        if filters.where and filters.where != self._good_where:
            self._good_where = filters.where
            if self.query_one("#where", Input).value.strip() == filters.where:  # else more was written meanwhile
                self._close_where()

    def _mend_where(self, filters: Filters, error: SuironError) -> None:
        """The condition cannot be asked: its line stays, the reason under it, and the rows stay as they were."""
        good = msgspec.structs.replace(filters, where=self._good_where)
        self.suiron.remember(filters=good)
        if not self.writing_where:  # else what stands there is kept: more may have been written meanwhile
            self.action_where()
            field = self.query_one("#where", Input)
            field.value = filters.where
            field.cursor_position = len(field.value)
        self._where_trouble(f"{safe_line(error.what, 300)}. {safe_line(error.do, 200)}")
        if self._selection is None:
            self.select(good)
        else:
            self.show_status()

    def _where_trouble(self, words: str) -> None:
        trouble = self.query_one("#where-trouble", Static)
        trouble.display = bool(words)
        trouble.update(Content(words))

    def _close_where(self) -> None:
        line = self.query_one("#where-line", Horizontal)
        self._where_trouble("")
        if line.display:
            line.display = False
            self._focus_rows()

    # -- a row by its number --

    def action_go_to_row(self) -> None:
        from tui.data.dialogs.goto_row import GotoDialog

        dataset = self._dataset
        if dataset is None or self._selection is None:
            self.say("There are no rows here.")
            return
        last = max(dataset.highest, 0)
        self.app.push_screen(GotoDialog(min(max(self._anchor, 0), last), last), self._row_named)

    def _row_named(self, index: int | None) -> None:
        if index is not None:
            self.go_to(index)

    def go_to(self, index: int, words: str = "") -> None:
        """Put the cursor on the row `index` where it is shown; words: what to say then."""
        if self._selection is not None:
            place = partial(self._place_in_thread, self._selection, index, words)
            self.run_worker(place, thread=True, exclusive=True, group="go to", exit_on_error=False)

    def _place_in_thread(self, selection: Selection, index: int, words: str) -> None:
        position = selection.position(index)
        self.app.call_from_thread(self._placed, selection, index, position, words)

    def _placed(self, selection: Selection, index: int, position: int | None, words: str) -> None:
        if selection is not self._selection:
            return
        if position is not None:
            self.table.move_to(position)
            self.say(words)
        elif self.filters == Filters():
            self.say(f"There is no row {index:,}: it could not be read, or was deleted.")
        else:
            self.say(f"Row {index:,} is not among the rows shown; x shows all.")
