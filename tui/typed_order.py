"""Makes keys take effect in the order in which they were typed.

Textual forwards a key to the widget that has the focus when the key arrives, not when the keys before it have taken
effect. Over SSH several keys arrive in one packet: if `/quit` is typed as a search, `/` would open the search line and
`q` would quit. Here a key waits until the one before it has been handled by the focused widget, by its ancestors, and
by a dialog that it opened. Knows nothing of what keys mean.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

# A key counts as handled after so many waits of so many seconds: a widget removed meanwhile never reports it. Many
# short waits, because an app that is held up, such as by a first import on a busy machine, gets through one only.
WAITS = 10
WAIT = 0.05


class TypedOrder(App[None], inherit_bindings=False):
    """An app whose keys and pastes are handled one after the other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: deque[events.Key | events.Paste] = deque()
        self._turn = 0  # number of the key that is being handled; 0 while none is
        self._turns = 0

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            if self._turn:
                self._waiting.append(event)
            else:
                await self._hand_on(event)
        else:
            await super().on_event(event)

    async def _hand_on(self, event: events.Key | events.Paste) -> None:
        if not self.screen_stack:  # the app is closing
            return
        self._turns += 1
        self._turn = turn = self._turns
        screen = self.screen
        self._wait_for(turn, WAITS)
        target = self.focused or screen
        await super().on_event(event)
        self._pass_on(target, [target, screen], turn)

    def _wait_for(self, turn: int, waits: int) -> None:
        """Count the key of this turn as handled after so many waits."""
        if turn != self._turn:
            return
        if waits:
            asyncio.get_running_loop().call_later(WAIT, self._wait_for, turn, waits - 1)
        else:
            self._handled(turn)

    def _pass_on(self, node: MessagePump, then: list[MessagePump], turn: int) -> None:
        """Queue behind the key at `node`, then at its parents up to the app, which is the key's own way; then a second
        time from the same widget, for the messages that the key made it post (a submitted field posts to its screen).
        then: the widget to start from, and the screen it was on."""
        if node is not self:
            parent = node._parent or self
            if not node.call_later(self._pass_on, parent, then, turn):  # it is being removed
                self._pass_on(parent, then, turn)
        elif len(then) == 2:
            self.call_later(self._pass_on, then[0], then[1:], turn)
        elif self.screen is then[0]:
            self.call_later(self._handled, turn)
        else:
            # A dialog has opened or closed: what is typed next is meant for what it focuses.
            self.screen.call_after_refresh(self._handled, turn)

    def _handled(self, turn: int) -> None:
        if turn == self._turn:
            self._turn = 0
            if self._waiting:
                self.call_next(self._hand_on, self._waiting.popleft())
