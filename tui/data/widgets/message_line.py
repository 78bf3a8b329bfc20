"""The last line of the room: what a key did, for a while, else the state of the open source."""

from __future__ import annotations

from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

MESSAGE_SECONDS = 8.0  # for which a message is shown


class ShowMessage(Message):
    """Words for the message line, safe text."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words


class MessageLine(Static):
    """Shows its idle content whenever it has no message."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._idle = Content("")
        self._message_timer: Timer | None = None

    @property
    def idle_content(self) -> Content:
        """What the line shows without a message."""
        return self._idle

    def set_idle_content(self, content: Content) -> None:
        self._idle = content
        if self._message_timer is None:
            self.update(content, layout=False)

    def say(self, words: str) -> None:
        """Show a message for `MESSAGE_SECONDS`; empty words end the one that is shown. Safe text."""
        if self._message_timer is not None:
            self._message_timer.stop()
        self._message_timer = self.set_timer(MESSAGE_SECONDS, self._end_message) if words else None
        self.update(Content.styled(f" {words}", "$accent") if words else self._idle, layout=False)

    def _end_message(self) -> None:
        self._message_timer = None
        self.update(self._idle, layout=False)
