"""Filters, sorting, and going to a row by its number: opens the dialogs and runs what is chosen in them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from core.data.filters import RowFilters
from tui.data.query_runner import TOP

if TYPE_CHECKING:
    from tui.data.room_interface import DataRoom


class FilterActions:
    """Changes the query; the query runner answers it."""

    def __init__(self, room: DataRoom) -> None:
        self._room = room

    def next_value(self, column: str) -> None:
        """Show only rows with the next value of syslang or sysflag; after the last value, all rows."""
        if self._room.check_ready():
            self._room.queries.when_counted(partial(self._select_next_value, column))

    def _select_next_value(self, column: str) -> None:
        room = self._room
        values = ["", *(value for value, _ in room.queries.value_counts.get(column, []) if value)]
        if len(values) == 1:
            room.say(f"No row has a {column}.")
            return
        current = getattr(room.filters, column)
        following = values[(values.index(current) + 1) % len(values)] if current in values else ""
        room.query_view.select(msgspec.structs.replace(room.filters, **{column: following}))

    def choose_value(self) -> None:
        """Show only rows with a value chosen from a list of all values."""
        from tui.data.dialogs.facets import FacetsDialog

        room = self._room
        if room.check_ready() and room.dataset is not None:
            current = {column: getattr(room.filters, column) for column in ("syslang", "sysflag")}
            dialog = FacetsDialog(room.queries.value_counts, current, len(room.dataset))
            room.app.push_screen(dialog, self._take_value)

    def _take_value(self, choice: tuple[str, str | None] | None) -> None:
        if choice is None:
            return
        column, value = choice
        if value == "":  # an empty filter means all rows, but an SQL condition can ask for the empty value
            self._room.condition_bar.submit(f"{column} = ''")
        else:
            self._room.query_view.select(msgspec.structs.replace(self._room.filters, **{column: value or ""}))

    def choose_sort(self) -> None:
        """Order the rows by a column or by length."""
        from tui.data.dialogs.sort import SortDialog

        room = self._room
        if room.dataset is not None:
            dialog = SortDialog(room.filters.sort, room.filters.descending, room.dataset.columns)
            room.app.push_screen(dialog, self._take_sort)

    def _take_sort(self, choice: tuple[str, bool] | None) -> None:
        if choice is not None:
            sort, descending = choice
            filters = msgspec.structs.replace(self._room.filters, sort=sort, descending=descending)
            self._room.query_view.select(filters, TOP if sort else None)

    def choose_row(self) -> None:
        """Go to a row by its number."""
        from tui.data.dialogs.goto_row import GotoDialog
        from tui.data.row_numbers import rows_near

        room = self._room
        dataset, selection = room.dataset, room.queries.selection
        if dataset is None or selection is None:
            room.say("There are no rows.")
            return
        last = max(dataset.highest, 0)
        dialog = GotoDialog(
            min(max(room.queries.anchor, 0), last),
            last,
            has_row=lambda number: selection.position(number) is not None,
            read_near=partial(rows_near, dataset, selection),
        )
        room.app.push_screen(dialog, self._take_row)

    def _take_row(self, index: int | None) -> None:
        room = self._room
        selection = room.queries.selection
        if index is None or selection is None:
            return
        if room.filters != RowFilters() and selection.position(index) is None:  # the user chose one that they hide
            room.query_view.clear_filters()
            room.query_view.select(room.filters, index)
            room.say(f"Row {index:,}: all rows are shown again.")
        else:
            room.query_view.go_to(index)
