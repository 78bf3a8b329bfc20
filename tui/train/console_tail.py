"""The last lines of a run's console, the newest at the bottom."""

from __future__ import annotations

from typing import ClassVar

from textual import events

from tui.common.styled_cells import CellLines


class ConsoleTail(CellLines):
    """`show_lines` takes safe lines; as many as fit are shown, each cut at the right edge."""

    EMPTY = "console--empty"
    LINE = "console--line"
    COMPONENT_CLASSES: ClassVar[set[str]] = {EMPTY, LINE}
    DEFAULT_CSS = """
    ConsoleTail { height: 3; }
    ConsoleTail > .console--line { color: $text-muted; }
    ConsoleTail > .console--empty { color: $text-muted; text-style: dim; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[str] = []

    def show_lines(self, lines: list[str]) -> None:
        self._lines = lines
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        height = self.content_size.height
        if not self._lines:
            self.show([[("The output of the run appears here.", self.EMPTY)]])
        elif height:
            shown = self._lines[-height:]
            self.show([*([[]] * (height - len(shown))), *([(line, self.LINE)] for line in shown)])
