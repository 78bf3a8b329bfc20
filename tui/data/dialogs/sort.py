"""The dialog that chooses the order of the rows. Knows the values of `RowFilters.sort`; sorts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from core.base.row import COLUMNS
from tui.actions import key_bindings, key_hints
from tui.common.choices import HEADING, MARK, MUTED, ChoiceLine, Choices
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.list_dialog import ListDialog


class SortDialog(ListDialog[tuple[str, bool]]):
    """Returns (sort, descending) as `core.data.filters.RowFilters` has them; sort is empty for the order of the source.

    columns: those that the source has. Choosing the current order reverses it; lengths start with the longest.
    """

    TITLE_WORDS = "Order of the rows"
    KEY_WORDS = key_hints(("sorts", "list.choose"), "again reverses", ("closes", "dialog.close"))
    AUTO_FOCUS = "#choices"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("sort")
    DEFAULT_CSS = """
    SortDialog > #box { max-width: 64; }
    """

    def __init__(self, sort: str = "", descending: bool = False, columns: Sequence[str] = COLUMNS) -> None:
        super().__init__()
        self._now = (sort, descending)
        texts = [column for column in columns if column not in ("syslang", "sysflag")]
        self._lines: list[tuple[str, str]] = [
            ("", "as in the source"),
            ("length", "the whole row"),
            *((f"length({column})", column) for column in texts),
            *((column, column) for column in columns),
        ]
        self._headings = {1: "By length", 2 + len(texts): "By alphabet"}
        self._shown: list[int | str] = []  # the index of a line, or a heading
        for index in range(len(self._lines)):
            if index in self._headings:
                self._shown.append(self._headings[index])
            self._shown.append(index)

    def compose_dialog(self) -> ComposeResult:
        yield Choices(id="choices")

    def on_mount(self) -> None:
        current = next(
            (
                position
                for position, shown in enumerate(self._shown)
                if isinstance(shown, int) and self._lines[shown][0] == self._now[0]
            ),
            0,
        )
        self.query_one(Choices).show(
            len(self._shown), self._draw, current, lambda position: isinstance(self._shown[position], int)
        )

    def _draw(self, position: int, width: int) -> ChoiceLine:
        shown = self._shown[position]
        if isinstance(shown, str):
            return [(shown, HEADING)]
        sort, words = self._lines[shown]
        if sort != self._now[0]:
            return [
                (f"  {fit_to_width(words, 24)}", ""),
                (fit_to_width(order_words(sort, begins_descending(sort)), width - 26), MUTED),
            ]
        return [
            (f"● {fit_to_width(words, 24)}", MARK),
            (fit_to_width(f"now {order_words(*self._now)}" if sort else "now", width - 26), MARK),
        ]

    @on(Choices.Chosen)
    def _chosen(self, event: Choices.Chosen) -> None:
        shown = self._shown[event.index]
        if isinstance(shown, int):
            sort = self._lines[shown][0]
            descending = begins_descending(sort)
            if sort == self._now[0]:
                descending = not self._now[1]
            self.dismiss((sort, descending and bool(sort)))

    def action_choose(self) -> None:
        self.query_one(Choices).action_choose()


def begins_descending(sort: str) -> bool:
    return sort.startswith("length")


def order_words(sort: str, descending: bool) -> str:
    """The order, in words."""
    if sort.startswith("length"):
        return "longest first" if descending else "shortest first"
    if not sort:
        return ""
    return "Z to A" if descending else "A to Z"
