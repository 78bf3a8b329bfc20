"""The line at the top: where you are, and the key to every other room."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from core.safe_text import safe_line
from tui.actions import ACTIONS, Scope


class Banner(Static):
    """One line: the rooms with their keys, the one in front marked, and at the right what is open (foreign text, made safe here)."""

    DEFAULT_CSS = """
    Banner { dock: top; height: 1; width: 1fr; background: $panel; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, here: Scope) -> None:
        super().__init__()
        self._here = here
        self._open = ""

    def on_mount(self) -> None:
        self._draw()

    def show_open(self, what: str) -> None:
        """Name what is open (data, model or run)."""
        self._open = safe_line(what, 200)
        self._draw()

    def _draw(self) -> None:
        parts: list[Content] = [Content.styled(" 推論 ", "bold $primary")]
        for action in ACTIONS:
            if action.run.startswith("app.switch_mode"):
                style = "bold reverse $primary" if action.id == f"app.{self._here}" else "$text"
                parts.append(Content.styled(f" {action.keys.upper()} {action.words} ", style))
        if self._open:
            parts.append(Content.styled("  " + self._open, "$text-muted"))
        self.update(Content("").join(parts))
