"""All keys, made from the table of actions, those of the room in front first."""

from __future__ import annotations

from textwrap import wrap
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from tui.actions import ACTIONS, ROOMS, Scope, key_words
from tui.common.room import Dialog

BOX = 100  # cells of the dialog at most, and what its frame, padding and scrollbar take of them
MARGINS = 6
INDENT = 25  # cells before the sentences


class HelpScreen(Dialog[None]):
    """Scrolls with the arrows; closes with escape, F1 or q."""

    TITLE_WORDS = "Keys"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q,question_mark,enter", "close", "Close", show=False, priority=True)
    ]

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def compose_dialog(self) -> ComposeResult:
        rest: list[Scope] = [scope for scope in ROOMS if scope not in (self._scope, "app")]
        for scope in dict.fromkeys([self._scope, "app", *rest]):
            yield Static(_section(scope, min(BOX, self.app.size.width * 9 // 10) - MARGINS))
        words = "Tab moves between fields and panes. What the mouse marks, Ctrl+C sends to your terminal's clipboard."
        yield Static(Content.styled(words, "$text-muted"))


def _section(scope: Scope, width: int) -> Content:
    """The keys of one scope; the sentences wrap beside them, in `width` cells."""
    name, purpose = ROOMS[scope]
    parts = [Content.styled(name, "bold $primary")]
    if purpose:
        parts.append(Content(f"\n{purpose}"))
    for action in ACTIONS:
        if action.scope == scope:
            keys = "  ".join(key_words(action))
            parts.append(Content("\n"))
            parts.append(Content.styled(f"  {keys}{' ' * max(1, 12 - cell_len(keys))}", "bold $footer-key-foreground"))
            parts.append(Content.styled(f"{action.words:<11}", "bold"))
            parts.append(Content(f"\n{' ' * INDENT}".join(wrap(action.help, max(20, width - INDENT)))))
    return Content("").join([*parts, Content("\n")])
