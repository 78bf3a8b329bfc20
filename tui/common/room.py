"""The base class of all rooms: the banner with the keys of the rooms, the room's content, and the footer."""

from __future__ import annotations

from pathlib import PurePath
from typing import ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.screen import Screen

from tui.actions import Scope
from tui.common.app_interface import AppInterface
from tui.common.banner import Banner
from tui.common.key_bar import KeyBar
from tui.messages import DataOpened, ModelChosen


class Room(Screen[None]):
    """A screen of the app. Subclasses set `SCOPE` and yield their own widgets from `compose_room`."""

    SCOPE: ClassVar[Scope]

    @property
    def suiron(self) -> AppInterface:
        """The app, typed."""
        return cast("AppInterface", self.app)

    def _open_names(self) -> tuple[str, str]:
        """The model and the data set in use, as the banner names them."""
        session = self.suiron.session
        model = PurePath(session.model).name if PurePath(session.model).is_absolute() else session.model
        data = PurePath(session.data).name if PurePath(session.data).is_absolute() else session.data
        return (
            f"{model} + {session.adapter}" if session.adapter else model,
            f"{data} [{session.split}]" if session.split else data,
        )

    @on(events.ScreenResume)
    @on(DataOpened)
    @on(ModelChosen)
    def _update_banner(self) -> None:
        self.query_one(Banner).show_open(*self._open_names())

    def compose(self) -> ComposeResult:
        self._set_breakpoint_classes()
        yield Banner(self.SCOPE, *self._open_names())
        yield from self.compose_room()
        yield KeyBar(self.SCOPE)

    def _set_breakpoint_classes(self) -> None:
        """Set the classes now: Textual sets them at the first resize, after a first paint that would be wasted."""
        size = self.app.size
        for length, breakpoints in (
            (size.width, self.HORIZONTAL_BREAKPOINTS),
            (size.height, self.VERTICAL_BREAKPOINTS),
        ):
            for name in self._get_breakpoint_classes(length, breakpoints or []):
                self.add_class(name)

    def compose_room(self) -> ComposeResult:
        raise NotImplementedError
