"""Keys take effect in the order they were typed.

Textual forwards a key to whatever has the focus when it arrives, not when the keys before it have had their effect.
Over SSH several keys come in one packet: of `/quit`, typed to search for it, `/` would open the search and `q` leave
the app. Here a key waits until the one before it has been handled by the focused widget, by all that it bubbles
through, and by a dialog that it opened. Knows nothing of what keys mean.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

PATIENCE = 0.5  # seconds after which a key is taken for handled: a widget that was removed meanwhile never says so


class TypedOrder(App[None], inherit_bindings=False):
    """An app whose keys and pastes wait for their turn."""

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
        self._turns += 1
        self._turn = turn = self._turns
        screen = self.screen
        asyncio.get_running_loop().call_later(PATIENCE, self._handled, turn)
        target = self.focused or screen
        await super().on_event(event)
        self._pass_on(target, [target, screen], turn)

    def _pass_on(self, node: MessagePump, then: list[MessagePump], turn: int) -> None:
        """Wait behind the key in the queue of `node`, then in its parent's, up to the app, which is how the key itself
        travels; a second time from the same place for what it made that widget say (a field that is submitted tells its
        screen). `then`: where, and on which screen."""
        if node is not self:
            parent = node._parent or self
            if not node.call_later(self._pass_on, parent, then, turn):  # it is being removed
                self._pass_on(parent, then, turn)
        elif len(then) == 2:
            self.call_later(self._pass_on, then[0], then[1:], turn)
        elif self.screen is then[0]:
            self.call_later(self._handled, turn)
        else:
            self.screen.call_after_refresh(
                self._handled, turn
            )  # a dialog has opened or closed: what is typed next is meant for what it focuses

    def _handled(self, turn: int) -> None:
        if turn == self._turn:
            self._turn = 0
            if self._waiting:
                self.call_next(self._hand_on, self._waiting.popleft())
