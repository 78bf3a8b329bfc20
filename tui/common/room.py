"""What every room has: the banner with the keys to the other rooms, its own content, the line of keys. And what every
dialog has."""

from __future__ import annotations

from pathlib import PurePath
from typing import ClassVar, TypeVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui.actions import Scope
from tui.common.app_interface import House
from tui.common.banner import Banner
from tui.common.key_bar import KeyBar
from tui.messages import DataOpened, ModelChosen

Result = TypeVar("Result")


class Room(Screen[None]):
    """A screen of the app. Subclasses set `SCOPE` and yield their own widgets from `compose_room`."""

    SCOPE: ClassVar[Scope]

    @property
    def suiron(self) -> House:
        """The app, typed."""
        return cast("House", self.app)

    def _what_is_open(self) -> tuple[str, str]:
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
    def _name_what_is_open(self) -> None:
        self.query_one(Banner).show_open(*self._what_is_open())

    def compose(self) -> ComposeResult:
        self._take_breakpoints()
        yield Banner(self.SCOPE, *self._what_is_open())
        yield from self.compose_room()
        yield KeyBar(self.SCOPE)

    def _take_breakpoints(self) -> None:
        """Textual sets the classes of the size at the first resize, after a first paint without them: that one would be
        thrown away."""
        size = self.app.size
        for length, breakpoints in (
            (size.width, self.HORIZONTAL_BREAKPOINTS),
            (size.height, self.VERTICAL_BREAKPOINTS),
        ):
            for name in self._get_breakpoint_classes(length, breakpoints or []):
                self.add_class(name)

    def compose_room(self) -> ComposeResult:
        raise NotImplementedError


class Dialog(ModalScreen[Result]):
    """A box over the room; escape closes it without a result. Subclasses yield what stands in it from
    `compose_dialog`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close", show=False)]
    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        & > #box { width: 90%; max-width: 100; height: auto; max-height: 90%; background: $surface; border: round $primary; padding: 0 1; }
        & Static { height: auto; width: 1fr; }
        & .hint { color: $text-muted; }
        & .trouble { color: $error; }
        & Input { margin: 0 0 1 0; }
    }
    """
    AUTO_FOCUS = "#box"
    TITLE_WORDS: ClassVar[str] = ""

    @property
    def suiron(self) -> House:
        return cast("House", self.app)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box") as box:
            box.border_title = Content(self.TITLE_WORDS)
            box.border_subtitle = Content("Esc closes")
            yield from self.compose_dialog()

    def compose_dialog(self) -> ComposeResult:
        raise NotImplementedError

    def action_close(self) -> None:
        self.dismiss(None)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:  # beside the box
            self.action_close()


def lines(*parts: tuple[str, str]) -> Static:
    """A Static of pieces of text with their styles."""
    return Static(Content("").join(Content.styled(text, style) if style else Content(text) for text, style in parts))
