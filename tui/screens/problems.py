"""The rows that could not be read, one a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from tui.screens.base import Dialog
from tui.screens.data_words import problem_line

if TYPE_CHECKING:
    from core.data.problems import Problem

SHOWN = 500


class ProblemsDialog(Dialog[None]):
    TITLE_WORDS = "Rows that could not be read, counted from 1"

    def __init__(self, problems: Sequence[Problem], count: int) -> None:
        super().__init__()
        self._problems, self._count = problems[:SHOWN], count

    def compose_dialog(self) -> ComposeResult:
        yield Static(Content("\n").join([Content(problem_line(problem)) for problem in self._problems]))
        if self._count > len(self._problems):
            yield Static(Content(f"… and {self._count - len(self._problems):,} more"), classes="hint")
