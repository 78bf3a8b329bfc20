"""The command palette: every action of the app and its rooms by name, run in its room, and every theme."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, cast

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.widgets import Input

from tui.actions import ACTIONS, ROOMS, key_words, room_name
from tui.common.app_interface import AppInterface

Command = tuple[str, str, Callable[[], Coroutine[Any, Any, None]]]


class SuironCommands(Provider):
    """Actions and themes. All names are Suiron's own or checked by the theme loader."""

    def _commands(self) -> Iterator[Command]:
        app = cast("AppInterface", self.app)
        for action in ACTIONS:
            if action.scope in (*ROOMS, "app"):
                room = "" if action.scope == "app" else f"{room_name(action.scope)}: "
                keys = " ".join(key_words(action))
                yield f"{room}{action.label}{f'  ({keys})' if keys else ''}", action.help, partial(app.perform, action)
        for name in app.theme_names():
            in_use = "In use. " if name == app.theme else ""
            yield f"Theme: {name}", f"{in_use}Colours of the whole app.", partial(app.choose_theme, name)

    async def discover(self) -> Hits:
        for name, help_text, command in self._commands():
            yield DiscoveryHit(name, command, help=help_text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, help_text, command in self._commands():
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), command, help=help_text)


class Palette(CommandPalette):
    """Textual's palette with a steady cursor: a blinking one sends bytes forever."""

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False
