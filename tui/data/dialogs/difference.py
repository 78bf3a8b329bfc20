"""The dialog that compares a row with its source: `-` marks the source, `+` the row as it is now."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from core.base.row import COLUMNS, Row
from core.base.safe_text import safe_text
from core.base.text_differences import DiffLine, text_differences
from tui.actions import key_bindings
from tui.common.dialog import Dialog

SHOWN = 400  # lines of one field
LONGEST = 20_000  # characters of one piece of a line
_STYLES = {"-": "$error", "+": "$success", "…": "$text-muted", " ": ""}


class DifferenceDialog(Dialog[None]):
    """The arrow keys scroll it. The key that opened it also closes it."""

    BINDINGS: ClassVar[list[BindingType]] = key_bindings("difference")

    def __init__(self, before: Row | None, after: Row) -> None:
        super().__init__()
        self._before, self._after = before, after

    def compose_dialog(self) -> ComposeResult:
        yield Static("Comparing …", id="lines", markup=False)

    def on_mount(self) -> None:
        self.query_one("#box").border_title = Content(f"Row {self._after.index}: - source, + now")
        self.run_worker(self._compare())

    async def _compare(self) -> None:
        content = await asyncio.to_thread(difference_content, self._before, self._after)
        self.query_one("#lines", Static).update(content)


def difference_content(before: Row | None, after: Row) -> Content:
    """All fields that differ. Takes a moment for long ones."""
    if before is None:
        return Content("This row was added by hand; it is not in the source.")
    parts: list[Content] = []
    for column in COLUMNS:
        lines = text_differences(getattr(before, column), getattr(after, column))
        if lines:
            parts.append(Content.styled(column, "bold $primary"))
            parts += [_line(line) for line in lines[:SHOWN]]
            if len(lines) > SHOWN:
                parts.append(Content.styled(f"… {len(lines) - SHOWN:,} more lines", "$text-muted"))
    return Content("\n").join(parts) if parts else Content("The row is the same as in the source.")


def _line(line: DiffLine) -> Content:
    style = _STYLES[line.sign]
    parts = [Content.styled(f"{line.sign} ", style)]
    for text, differs in line.pieces:
        safe = safe_text(text[:LONGEST]) + ("…" if len(text) > LONGEST else "")
        parts.append(Content.styled(safe, f"bold underline {style}" if differs and line.sign in "-+" else style))
    return Content("").join(parts)
