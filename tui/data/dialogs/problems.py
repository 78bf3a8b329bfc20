"""The dialog that says what of the source is not used, and lists rows that could not be read and edits that no longer
apply.

It shows the one under the cursor in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from core.base.safe_text import safe_line
from tui.actions import key_hints
from tui.data.dialogs.list_dialog import CLOSE_HINT, ListDialog
from tui.data.widgets.choices import HEADING, MUTED, ChoiceLine, Choices
from tui.data.widgets.search_matches import fit_to_width

if TYPE_CHECKING:
    from core.data.problems import RowProblem

_EDITS = ("an edit", "this line of the edits")  # how the problem of an edit begins


class ProblemsDialog(ListDialog[None]):
    """Returns nothing. problems: those with a description, of `count` in all; not_used: clauses with `; ` between them,
    safe text."""

    TITLE_WORDS = "What could not be read"
    KEY_WORDS = key_hints(("in full below", "list.move_up", "list.move_down"), ("closes", "dialog.close"))
    AUTO_FOCUS = "#problems-list"
    DEFAULT_CSS = """
    ProblemsDialog.-tall #problems-list { height: 1fr; min-height: 3; }
    ProblemsDialog #not-used { max-height: 8; color: $warning; }
    ProblemsDialog #full { height: auto; min-height: 2; max-height: 12; border-top: solid $panel; }
    """

    def __init__(self, problems: Sequence[RowProblem], count: int, not_used: str = "") -> None:
        super().__init__()
        self._not_used = not_used
        self._count, self._known = count, len(problems)
        edits = [problem for problem in problems if problem.what.startswith(_EDITS)]
        rows = [problem for problem in problems if not problem.what.startswith(_EDITS)]
        self._lines: list[RowProblem | str] = []
        if edits:
            self._lines += ["Edits that no longer apply; the journal keeps them", *edits]
        file: str | None = None
        for problem in rows:
            if problem.file != file:
                file = problem.file
                self._lines.append(safe_line(file, 200) or "Rows, counted from 1")
            self._lines.append(problem)
        if count > self._known:
            self._lines.append(f"… and {count - self._known:,} more")
        self.TALL = len(self._lines) > 8

    def compose_dialog(self) -> ComposeResult:
        if self._not_used:
            yield Static(Content("\n".join(self._not_used.split("; "))), id="not-used")
        if self._lines:
            yield Choices(id="problems-list")
            yield Static(id="full")

    def on_mount(self) -> None:
        if not self._lines:
            self.title_words("What is not used")
            self.call_after_refresh(self.keys, CLOSE_HINT)
            return
        self.title_words(f"{self._count:,} could not be read" if self._count > 1 else "1 could not be read")
        self.query_one(Choices).show(
            len(self._lines), self._draw, 0, lambda position: not isinstance(self._lines[position], str)
        )
        self._show_in_full()

    def _draw(self, position: int, width: int) -> ChoiceLine:
        problem = self._lines[position]
        if isinstance(problem, str):
            return [(fit_to_width(problem, width), HEADING)]
        number = f"row {problem.row:,}  " if problem.row else "file  "
        return [(f"{number:>12}", MUTED), (fit_to_width(problem.what, width - max(12, len(number))), "")]

    @on(Choices.Moved)
    def _show_in_full(self) -> None:
        position = self.query_one(Choices).cursor
        problem = self._lines[position] if position >= 0 else ""
        if isinstance(problem, str):
            return
        number = f"row {problem.row:,}" if problem.row else "the whole file"
        where = f"{safe_line(problem.file, 200)}, {number}" if problem.file else number
        self.say("#full", Content.styled(where, "bold") + Content(f"\n{safe_line(problem.what, 500)}."))
