"""The dialog that asks for the number of a row. Knows only the range."""

from __future__ import annotations

import re

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label, Static

from tui.actions import key_hints
from tui.common.field import Field
from tui.data.dialogs.list_dialog import ListDialog

_NUMBER = re.compile(r"[0-9]+")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)%")


class GotoDialog(ListDialog[int]):
    """Returns the number of a row from `first` to `last`, both included, as the table shows it. `50%` is the middle;
    +10 and -10 count from `now`."""

    TITLE_WORDS = "Go to row"
    KEY_WORDS = key_hints("Enter goes there", ("closes", "dialog.close"))
    AUTO_FOCUS = "#number"
    DEFAULT_CSS = """
    GotoDialog > #box { max-width: 60; }
    """

    def __init__(self, now: int, last: int, first: int = 0) -> None:
        super().__init__()
        self._now, self._first, self._last = now, first, last

    def compose_dialog(self) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label("Row", classes="label")
            yield Field("", str(self._now), id="number")
        yield Static(f"{self._first:,} to {self._last:,}; also 50%, +100, -100", classes="hint")
        yield Static(classes="trouble")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        number = self.read(event.value)
        if isinstance(number, int):
            self.dismiss(number)
        else:
            self.trouble(number)

    @on(Input.Changed)
    def _changed(self) -> None:
        self.trouble("")

    def read(self, text: str) -> int | str:
        """The number, or what is wrong with the text."""
        text = re.sub(r"[\s,_]", "", text)
        if not text:
            return "Enter a number."
        if (share := _SHARE.fullmatch(text)) and float(share[1]) <= 100:
            return self._first + round((self._last - self._first) * float(share[1]) / 100)
        sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
        if not _NUMBER.fullmatch(digits) or len(digits) > 18:
            return "This is not the number of a row."
        number = int(digits) if not sign else self._now + int(sign + digits)
        if sign:
            return min(max(number, self._first), self._last)
        if not self._first <= number <= self._last:
            return f"Enter a number from {self._first:,} to {self._last:,}."
        return number
