"""What every room has: the banner with the keys to the other rooms, its own content, the footer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer

from tui.actions import Scope
from tui.widgets.banner import Banner

if TYPE_CHECKING:
    from tui.app import SuironApp


class Room(Screen[None]):
    """A screen of the app. Subclasses set `SCOPE` and yield their own widgets from `compose_room`."""

    SCOPE: ClassVar[Scope]

    @property
    def suiron(self) -> SuironApp:
        """The app, typed."""
        return cast("SuironApp", self.app)

    def compose(self) -> ComposeResult:
        yield Banner(self.SCOPE)
        yield from self.compose_room()
        yield Footer(show_command_palette=False)

    def compose_room(self) -> ComposeResult:
        raise NotImplementedError
