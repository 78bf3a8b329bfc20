"""The help: all keys from the table of actions, those of the room in front first."""

from __future__ import annotations

from textwrap import wrap
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from core.base.safe_text import safe_line
from tui.actions import ACTIONS, SECTIONS, Scope, key_bindings, key_of, key_words
from tui.actions.current_keys import keymap_file
from tui.common.dialog import Dialog

BOX = 100  # cells of the dialog at most, and what its frame, padding and scrollbar take of them
MARGINS = 6
INDENT = 31  # cells before the sentences


class HelpDialog(Dialog[None]):
    """The arrow keys scroll it. The key that opened it also closes it."""

    TITLE_WORDS = "Keys"
    SCOPE: ClassVar[Scope] = "help"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("help", "app.help")

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def compose_dialog(self) -> ComposeResult:
        width = min(BOX, self.app.size.width * 9 // 10) - MARGINS
        for scope in dict.fromkeys([self._scope, "app", *SECTIONS]):
            yield Static(_section_text(scope, width))
        words = (
            "Tab moves between fields and panes."
            f" {key_of('app.copy')} copies the text selected with the mouse to your terminal's clipboard."
            f" Your own keys go into {safe_line(str(keymap_file()), 200)}: docs/keys.md shows how."
        )
        yield Static(Content.styled(words, "$text-muted"))


def _section_text(scope: Scope, width: int) -> Content:
    """The keys of one scope; the sentences wrap beside them, in `width` cells."""
    section = SECTIONS[scope]
    parts = [Content.styled(section.name, "bold $primary")]
    if section.purpose:
        parts.append(Content(f"\n{section.purpose}"))
    for action in ACTIONS:
        if action.scope == scope:
            keys = "  ".join(key_words(action)) or "–"
            parts.append(Content("\n"))
            parts.append(Content.styled(f"  {keys}{' ' * max(1, 12 - cell_len(keys))}", "bold $footer-key-foreground"))
            parts.append(Content.styled(f"{action.label:<17}", "bold"))
            parts.append(Content(f"\n{' ' * INDENT}".join(wrap(action.help, max(20, width - INDENT)))))
    return Content("").join([*parts, Content("\n")])
