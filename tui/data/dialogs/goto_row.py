"""The dialog that asks for the number of a row, and offers the numbers there are. Knows no data set."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Label, Static
from textual.worker import get_current_worker

from core.base.safe_text import safe_line
from tui.actions import key_bindings, key_hints
from tui.common.choices import MUTED, STRONG, WARN, ChoiceLine, Choices
from tui.common.field import Field
from tui.common.fit_text import fit_to_width
from tui.common.readable_error import readable_error
from tui.data.dialogs.list_dialog import ListDialog

if TYPE_CHECKING:
    from tui.data.row_numbers import NumberedRow

_NUMBER = re.compile(r"[0-9]+")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)%")
LOOK_AFTER = 0.1  # seconds from the last key until the rows near the number are read


class GotoDialog(ListDialog[int]):
    """Returns the number of a row, as the table shows it. `50%` is the middle; +10 and -10 count from `now`.

    first, last: the least and the largest number there may be; has_row: whether a row is shown, at once; read_near:
    returns the rows with the numbers nearest to one, in a thread. A number without a row is not refused: the list
    offers those near it.
    """

    TITLE_WORDS = "Go to row"
    KEY_WORDS = key_hints("Enter goes there", ("list", "goto.go_to_list"), ("closes", "dialog.close"))
    AUTO_FOCUS = "#number"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("goto")
    DEFAULT_CSS = """
    GotoDialog > #box { max-width: 80; }
    GotoDialog #numbers { max-height: 10; }
    """

    def __init__(
        self,
        now: int,
        last: int,
        first: int = 0,
        has_row: Callable[[int], bool] = lambda number: True,
        read_near: Callable[[int], Sequence[NumberedRow]] = lambda number: (),
    ) -> None:
        super().__init__()
        self._now, self._first, self._last = now, first, last
        self._has_row, self._read_near = has_row, read_near
        self._near: Sequence[NumberedRow] = ()
        self._asked = now  # the number whose neighbours are listed, or being read
        self._offered: int | None = None  # the number that has no row: the list gets the focus

    def compose_dialog(self) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label("Row", classes="label")
            yield Field("", str(self._now), id="number")
        yield Static(f"{self._range}; also 50%, +100, -100", classes="hint")
        yield Static(classes="trouble")
        yield Choices(id="numbers")

    @property
    def _range(self) -> str:
        return f"{self._first:,} to {self._last:,}"

    @property
    def _choices(self) -> Choices:
        return self.query_one("#numbers", Choices)

    def on_mount(self) -> None:
        self._look(self._now)

    # -- the number --

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        number = self.read(event.value)
        if isinstance(number, str):
            self.trouble(number)
        elif self._first <= number <= self._last and self._has_row(number):
            self.dismiss(number)
        else:
            where = "shown" if self._first <= number <= self._last else f"there: the numbers are {self._range}"
            self.trouble(f"Row {number:,} is not {where}.")
            self._offered = number
            self._look(number)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self.trouble("")
        self._offered = None
        number = self.read(event.value) if event.value.strip() else self._now
        if isinstance(number, int):
            self._asked = number
            self.set_timer(LOOK_AFTER, partial(self._look_if_asked, number))

    def read(self, text: str) -> int | str:
        """The number, or what is wrong with the text. A share, or a distance from the current row, stays in range."""
        text = re.sub(r"[\s,_]", "", text)
        if not text:
            return f"Enter a number: {self._range}."
        if (share := _SHARE.fullmatch(text)) and float(share[1]) <= 100:
            return self._first + round((self._last - self._first) * float(share[1]) / 100)
        sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
        if not _NUMBER.fullmatch(digits) or len(digits) > 18:
            return f"This is not the number of a row. The numbers are {self._range}."
        if sign:
            return min(max(self._now + int(sign + digits), self._first), self._last)
        return int(digits)

    # -- the numbers near it --

    def _look_if_asked(self, number: int) -> None:
        if number == self._asked and number != self._offered:
            self._look(number)

    def _look(self, number: int) -> None:
        """Read the rows near a number."""
        self._asked = number
        work = partial(self._read_in_thread, number)
        self.run_worker(work, thread=True, exclusive=True, group="near", exit_on_error=False)

    def _read_in_thread(self, number: int) -> None:
        worker = get_current_worker()
        try:
            found = list(self._read_near(number))
        except Exception as error:  # whatever the source does to its reader, it is shown here
            if not worker.is_cancelled:
                self.app.call_from_thread(self.trouble, str(readable_error(error, "")))
            return
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show_near, number, found)

    def _show_near(self, number: int, found: Sequence[NumberedRow]) -> None:
        if number != self._asked:
            return
        self._near = found
        nearest = min(range(len(found)), key=lambda place: abs(found[place].number - number), default=-1)
        self._choices.show(len(found), self._draw, nearest)
        if found and number == self._offered:
            self.set_focus(self._choices)

    def _draw(self, position: int, width: int) -> ChoiceLine:
        row = self._near[position]
        number = f"{row.number:>{len(str(self._last))},} "
        note = "hidden by the filters " if row.is_hidden else ""
        words = fit_to_width(safe_line(row.words, 200), width - len(number) - len(note))
        return [(number, STRONG), (note, WARN), (words, MUTED)]

    @on(Choices.Chosen)
    def _chosen(self, event: Choices.Chosen) -> None:
        self.dismiss(self._near[event.index].number)

    @on(Choices.Above)
    def _to_field(self) -> None:
        self.set_focus(self.query_one("#number"))

    def action_to_list(self) -> None:
        if self._near:
            self.set_focus(self._choices)
