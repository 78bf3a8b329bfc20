"""The field of several lines for foreign text: the questions of the chat, a row's columns, a template's file."""

from __future__ import annotations

from textual import events
from textual.widgets import TextArea

from tui.common.safe_editing import editor_text


class SafeTextArea(TextArea):
    """Several lines, wrapped. What is pasted is made safe first. The cursor does not blink: a blinking one sends bytes
    to the terminal for ever."""

    def __init__(
        self,
        text: str = "",
        placeholder: str = "",
        *,
        paste_limit: int,
        line_numbers: bool = False,
        id: str | None = None,
    ) -> None:
        """paste_limit: the most characters taken from one paste."""
        super().__init__(
            text,
            placeholder=placeholder,
            id=id,
            compact=True,
            show_line_numbers=line_numbers,
            highlight_cursor_line=False,
            soft_wrap=True,
            tab_behavior="focus",
        )
        self.cursor_blink = False
        self._paste_limit = paste_limit

    async def on_paste(self, event: events.Paste) -> None:
        # Twice the limit, because a line break of two characters becomes one. The base class inserts the text: Textual
        # calls the handlers of both.
        event.text = editor_text(event.text[: 2 * self._paste_limit])[: self._paste_limit]
