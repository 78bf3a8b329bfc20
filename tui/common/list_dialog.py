"""What the dialogs of the data room have in common: a box that holds lists and fields, its keys named on its lower
edge, and a word of trouble."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.css.query import NoMatches
from textual.widgets import Static

from core.base.safe_text import safe_line
from tui.common.room import Dialog

Result = TypeVar("Result")


class Panel(Dialog[Result]):
    """Subclasses set TITLE_WORDS and KEY_WORDS, and TALL where a list in it should have all the height there is. q
    closes outside fields."""

    KEY_WORDS: ClassVar[str] = "Esc closes"
    TALL: bool = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "close", "Close", show=False),
        Binding("f9", "app.quit", "Quit", show=False),  # a dialog hides the keys of the app, and work may take long
    ]
    DEFAULT_CSS = """
    Panel {
        & > #box { width: 96%; scrollbar-size-vertical: 1; border-subtitle-color: $text-muted; border-title-style: bold; }
        &.-tall > #box { height: 90%; }
        & Horizontal.row { height: 1; width: 1fr; }
        & .label { width: 10; color: $text-muted; }
        & .gap { height: 1; }
        & .one { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """

    def on_mount(self) -> None:
        box = self.query_one("#box", VerticalScroll)
        box.can_focus = False
        self.keys(self.KEY_WORDS)
        self.set_class(self.TALL, "-tall")
        for trouble in self.query(".trouble"):
            trouble.display = False

    def keys(self, words: str) -> None:
        """Name the keys that count now on the lower edge of the box."""
        self.query_one("#box").border_subtitle = Content(words)

    def title_words(self, words: str) -> None:
        """A title that is known only now; foreign text is made safe here."""
        self.query_one("#box").border_title = Content(safe_line(words, 80))

    def say(self, selector: str, content: Content | str) -> None:
        """Show words (safe ones) in a Static."""
        self.query_one(selector, Static).update(Content(content) if isinstance(content, str) else content)

    def trouble(self, words: str) -> None:
        """Name what is wrong; empty takes it away. Foreign text is made safe here."""
        try:
            place = self.query_one(".trouble", Static)
        except NoMatches:
            return
        place.display = bool(words)
        place.update(Content(safe_line(words, 600)))
