"""The base class of all dialogs: a box over the room with a title, its keys, and a way to close it."""

from __future__ import annotations

from typing import ClassVar, TypeVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from tui.actions import key_bindings, key_hints
from tui.common.app_interface import AppInterface

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A box over the room. Closing it returns None. Subclasses yield its content from `compose_dialog`."""

    # A modal screen hides the keys of the app: the one that quits is bound here again.
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("dialog", "app.quit")
    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        & > #box {
            width: 90%; max-width: 100; height: auto; max-height: 90%;
            background: $surface; border: round $primary; padding: 0 1;
        }
        & Static { height: auto; width: 1fr; }
        & .hint { color: $text-muted; }
        & .trouble { color: $error; }
        & Input { margin: 0 0 1 0; }
    }
    """
    AUTO_FOCUS = "#box"
    TITLE_WORDS: ClassVar[str] = ""

    @property
    def suiron(self) -> AppInterface:
        """The app, typed."""
        return cast("AppInterface", self.app)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box") as box:
            box.border_title = Content(self.TITLE_WORDS)
            box.border_subtitle = Content(key_hints(("closes", "dialog.close")))
            yield from self.compose_dialog()

    def compose_dialog(self) -> ComposeResult:
        raise NotImplementedError

    def action_close(self) -> None:
        self.dismiss(None)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:  # beside the box
            self.action_close()
