"""The line at the top: the rooms with their keys, the model and the data."""

from __future__ import annotations

from textual.content import Content
from textual.style import Style
from textual.widget import Widget

from core.base.safe_text import safe_line
from tui.actions import ACTIONS, Scope, key_words


class Banner(Widget):
    """One line: the rooms with their keys, the current one marked, then the model and the data (foreign text, made safe
    here). A click on a key runs it."""

    ALLOW_SELECT = False

    DEFAULT_CSS = """
    Banner {
        dock: top; height: 1; width: 1fr; background: $panel; color: $text-muted;
        text-wrap: nowrap; text-overflow: ellipsis;
        link-style: none; link-color: $foreground; link-background: $panel; link-style-hover: reverse;
    }
    """

    def __init__(self, here: Scope, model: str = "", data: str = "") -> None:
        super().__init__()
        self._here = here
        self._model, self._data = safe_line(model, 60), safe_line(data, 60)

    def show_open(self, model: str, data: str) -> None:
        """Name the model (with its adapter) and the data."""
        names = safe_line(model, 60), safe_line(data, 60)
        if names != (self._model, self._data):
            self._model, self._data = names
            self.refresh()

    def render(self) -> Content:
        parts: list[Content] = [Content.styled(" 推論 ", "bold $primary")]
        for action in ACTIONS:
            words = ""
            key = "".join(f"{key} " for key in key_words(action)[:1])
            if action.scope == "app" and action.run.startswith("app.switch_mode"):
                words = f" {key}{action.label} "
            elif action.id == "app.model" and self._model:
                words = f"  {key}{self._model}"
            if words:
                style = "bold reverse $primary" if action.id == f"app.{self._here}" else ""
                parts.append(Content.styled(words, style).stylize(Style.from_meta({"@click": action.run})))
        if self._data:
            parts.append(Content.styled(f" · {self._data}", "$text-muted"))
        return Content("").join(parts)
