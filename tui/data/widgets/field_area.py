"""A text field of several lines for a row's text, foreign or not.

Pasted text is made safe first. Its cursor does not blink: a blinking one sends bytes to the terminal for ever.
"""

from __future__ import annotations

from textual import events
from textual.widgets import TextArea

from tui.common.safe_editing import editor_text

PASTED = 1_000_000  # characters


class FieldArea(TextArea):
    """Several lines, wrapped."""

    DEFAULT_CSS = """
    FieldArea {
        padding: 0 1; border: none; background: $surface; width: 1fr; height: 1fr; scrollbar-size-vertical: 1;
        &:focus { border: none; background: $panel; }
        & .text-area--placeholder { color: $text-muted; }
    }
    """

    def __init__(self, text: str = "", placeholder: str = "", *, id: str | None = None) -> None:
        super().__init__(
            text,
            placeholder=placeholder,
            id=id,
            compact=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            soft_wrap=True,
        )
        self.cursor_blink = False

    async def on_paste(self, event: events.Paste) -> None:
        event.text = editor_text(event.text[:PASTED])  # the base class inserts it: Textual calls the handlers of both
