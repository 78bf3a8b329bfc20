"""What the Prompts room remarks on a row in its template: what happens to it, warnings, notes on the template.

Knows no widget.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.base.safe_text import safe_line
from core.examples.preview import RowPreview
from tui.actions import key_of, room_name
from tui.prompts.sheet_lines import Piece, Role, wrap_text

_LENGTH = 1000  # characters of a remark that are shown


class Remark(NamedTuple):
    """One sentence about the row that is shown, or about its template."""

    words: str
    """A sentence without its full stop, with a sign before it; foreign text."""
    role: Role
    """`warning`, or `muted` for a note."""
    strong: bool = False
    """Whether the row is not trained as it is, or fails a check."""

    def lines(self, width: int) -> list[str]:
        """Safe lines of at most `width` cells."""
        return [line for line, _ in wrap_text(safe_line(self.words, _LENGTH), width)]


class RemarkLines:
    """Remarks in full, as the first lines of a sheet."""

    def __init__(self, remarks: Sequence[Remark], width: int) -> None:
        self._lines = [(line, remark.role) for remark in remarks for line in remark.lines(width)]

    def __len__(self) -> int:
        return len(self._lines)

    def pieces(self, index: int) -> list[Piece]:
        line, role = self._lines[index]
        return [(line, role, False)]


def row_remarks(preview: RowPreview | None, notes: Sequence[str]) -> list[Remark]:
    """The worst first. preview: None where the row has no template; notes: on the template."""
    remarks: list[Remark] = []
    if preview is not None:
        if is_refused(preview):
            remarks.append(Remark("⚠ left out", "warning", True))
        elif preview.outcome != "trained":
            remarks.append(Remark(f"⚠ {preview.outcome}: {preview.why}", "warning", True))
        has_fault = preview.outcome == "trained" and not preview.fits  # faults are the first of the warnings
        remarks += [
            Remark(f"⚠ {warning}", "warning", has_fault and index == 0)
            for index, warning in enumerate(preview.warnings)
        ]
    return remarks + [Remark(f"note: {note}", "muted") for note in notes]


def is_refused(preview: RowPreview) -> bool:
    """Whether the template makes no text of the row."""
    return not preview.texts


def refused_words(preview: RowPreview) -> str:
    """What stands in place of the text of a row that its template refuses: why, and what can be done."""
    template, mixture = key_of("prompts.next_template"), key_of("prompts.edit_mixture")
    data = f"{room_name('data')} ({key_of('app.data')})"
    return (
        f"There is no training text: {preview.why}.\n\n"
        f"A run leaves this row out. {template} shows it in another template, and {mixture} gives such a template a"
        f" weight in the run: templates of text, such as alpaca-reasoning, take every row. Or change the row in {data}."
    )
