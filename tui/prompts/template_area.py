"""Where a template's file is written. Knows text alone: what it means is told to the room, a moment after each
change."""

from __future__ import annotations

from textual import events
from textual.widgets import TextArea

from tui.common.safe_editing import editor_text

PASTED = 300_000  # characters; a template file may have 256 KiB


class TemplateArea(TextArea):
    """With line numbers, for what is wrong is told by them. Tab goes to the row beside it."""

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
        event.text = editor_text(event.text[:PASTED])  # the base class inserts it: Textual calls the handlers of both
