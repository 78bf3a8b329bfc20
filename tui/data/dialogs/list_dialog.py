"""The base class of dialogs with lists and fields: keys on the lower edge, and a line for errors."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.containers import VerticalScroll
from textual.content import Content
from textual.css.query import NoMatches
from textual.widgets import Static

from core.base.safe_text import safe_line
from tui.actions import key_hints
from tui.common.dialog import Dialog

Result = TypeVar("Result")
CLOSE_HINT = key_hints(("closes", "dialog.close"))


class ListDialog(Dialog[Result]):
    """Subclasses set TITLE_WORDS and KEY_WORDS, and TALL where a list in it should have the full height."""

    KEY_WORDS: ClassVar[str] = CLOSE_HINT
    TALL: bool = False
    DEFAULT_CSS = """
    ListDialog {
        & > #box {
            width: 96%; scrollbar-size-vertical: 1; border-subtitle-color: $text-muted; border-title-style: bold;
        }
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
        """Name the keys that work now on the lower edge of the box."""
        self.query_one("#box").border_subtitle = Content(words)

    def title_words(self, words: str) -> None:
        """Set a title that is known only now; foreign text is made safe here."""
        self.query_one("#box").border_title = Content(safe_line(words, 80))

    def say(self, selector: str, content: Content | str) -> None:
        """Show safe text in a Static."""
        self.query_one(selector, Static).update(Content(content) if isinstance(content, str) else content)

    def trouble(self, words: str) -> None:
        """Say what is wrong; empty removes it. Foreign text is made safe here."""
        try:
            line = self.query_one(".trouble", Static)
        except NoMatches:
            return
        line.display = bool(words)
        line.update(Content(safe_line(words, 600)))
