"""The last line of a room: what a key did, for a while, else the state of what is open."""

from __future__ import annotations

from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

MESSAGE_SECONDS = 8.0  # for which a message is shown
MOST_LINES = 3


class ShowMessage(Message):
    """Words for the message line, safe text."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words


class MessageLine(Static):
    """Shows its idle content whenever it has no message; as many lines as the words need, up to `MOST_LINES`."""

    DEFAULT_CSS = f"""
    MessageLine {{
        height: auto; min-height: 1; max-height: {MOST_LINES}; width: 1fr; padding: 0 1; background: $background;
    }}
    """

    def __init__(self, id: str | None = None, hides: bool = False) -> None:
        """hides: takes no line while it has nothing to say."""
        super().__init__(id=id)
        self._hides = hides
        self._idle = Content("")
        self._message_timer: Timer | None = None
        self.display = not hides

    @property
    def idle_content(self) -> Content:
        """What the line shows without a message."""
        return self._idle

    def set_idle_content(self, content: Content) -> None:
        self._idle = content
        if self._message_timer is None:
            self._show(content)

    def say(self, words: str) -> None:
        """Show a message for `MESSAGE_SECONDS`; empty words end the one that is shown. Safe text."""
        if self._message_timer is not None:
            self._message_timer.stop()
        self._message_timer = self.set_timer(MESSAGE_SECONDS, self._end_message) if words else None
        self._show(Content.styled(words, "$accent") if words else self._idle)

    def _end_message(self) -> None:
        self._message_timer = None
        self._show(self._idle)

    def _show(self, content: Content) -> None:
        """Draw the words; the room is laid out again only if they need more lines or fewer."""
        self.display = bool(content) or not self._hides
        width, height = self.size
        lines = min(max(1, content.get_height({}, width)), MOST_LINES) if width else 0
        self.update(content, layout=lines != height)
