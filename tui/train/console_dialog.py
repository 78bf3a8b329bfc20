"""The whole console of a run, with a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input

from tui.actions import key_bindings, key_hints
from tui.common.choices import ChoiceLine, Choices
from tui.common.dialog import Dialog
from tui.common.field import Field
from tui.common.fit_text import fit_to_width


class ConsoleDialog(Dialog[None]):
    """lines: the console's lines, safe text. Shows those that contain what is typed, in any case."""

    TITLE_WORDS = "Console of the run"
    AUTO_FOCUS = "#search"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("console")
    DEFAULT_CSS = """
    ConsoleDialog > #box { width: 98%; max-width: 200; height: 94%; max-height: 94%; overflow: hidden; }
    ConsoleDialog Choices { height: 1fr; }
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self._all = list(lines)
        self._found = self._all

    def compose_dialog(self) -> ComposeResult:
        yield Field(placeholder="search", id="search")
        yield Choices(id="lines")

    def on_mount(self) -> None:
        box = self.query_one("#box")
        box.can_focus = False
        box.border_subtitle = Content(key_hints(("lines", "console.go_to_list"), ("closes", "dialog.close")))
        self._show()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        word = event.value.casefold()
        self._found = [line for line in self._all if word in line.casefold()]
        self._show()

    def _show(self) -> None:
        self.query_one(Choices).show(len(self._found), self._draw, len(self._found) - 1)
        count = f"{len(self._found):,} of {len(self._all):,} lines"
        self.query_one("#box").border_title = Content(f"{self.TITLE_WORDS}: {count}")

    def _draw(self, index: int, width: int) -> ChoiceLine:
        return [(fit_to_width(self._found[index], width), "")]

    @on(Choices.Above)
    def _to_search(self) -> None:
        self.query_one("#search").focus()

    def action_to_list(self) -> None:
        self.query_one(Choices).focus()
