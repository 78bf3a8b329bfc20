"""The editor of a template's file. Knows only text, which the room reads a moment after each change."""

from __future__ import annotations

from textual import events
from textual.widgets import TextArea

from tui.common.safe_editing import editor_text

PASTE_LIMIT = 300_000  # characters; a template file may have 256 KiB


class TemplateArea(TextArea):
    """Has line numbers, because errors name lines. Tab moves to the row beside it."""

    def __init__(self, *, id: str) -> None:
        super().__init__(
            id=id,
            compact=True,
            show_line_numbers=True,
            highlight_cursor_line=False,
            soft_wrap=True,
            tab_behavior="focus",
        )
        self.cursor_blink = False

    async def on_paste(self, event: events.Paste) -> None:
        event.text = editor_text(event.text[:PASTE_LIMIT])  # Textual also calls the base class, which inserts it
