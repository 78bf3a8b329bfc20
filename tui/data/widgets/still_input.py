"""A one-line text field whose cursor does not blink: a blinking one sends bytes for ever."""

from __future__ import annotations

from textual.widgets import Input


class StillInput(Input):
    def __init__(self, placeholder: str, *, id: str, select_on_focus: bool = True) -> None:
        super().__init__(placeholder=placeholder, id=id, compact=True, select_on_focus=select_on_focus)
        self.cursor_blink = False
