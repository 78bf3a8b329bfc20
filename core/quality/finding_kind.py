"""A kind of finding as data: its severity, why it matters, what to do, and its safe fix. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from core.base.row import TEXTS, Row
from core.quality.report import Severity


class TextFix(msgspec.Struct, frozen=True):
    """A fix that gives columns of a row new texts."""

    words: str
    """What it does, as an imperative phrase."""
    new_texts: Callable[[Row], dict[str, str]]
    """The columns of a row that change, with their new texts; empty where the fix is not certain."""


class RowDeletion(msgspec.Struct, frozen=True):
    """A fix that deletes rows."""

    words: str
    """What it does, as an imperative phrase."""
    is_certain: Callable[[Row, Row], bool]
    """Whether a row may be deleted. Called with the row and the other row of its finding."""


class FindingKind(msgspec.Struct, frozen=True):
    """One kind of finding."""

    name: str
    """The name for commands, scripts and reports."""
    severity: Severity
    """The severity in most data sets."""
    title: str
    """The problem, as a short phrase in lower case."""
    why: str
    """Why it matters, one sentence without its full stop."""
    do: str
    """What to do about it, one sentence without its full stop."""
    fix: TextFix | RowDeletion | None = None
    """The safe fix, or None."""


def fix_each_text(words: str, fix_text: Callable[[str], str]) -> TextFix:
    """A fix that applies `fix_text` to each of the four texts. A text that would become blank stays unchanged."""

    def new_texts(row: Row) -> dict[str, str]:
        changes = {}
        for column in TEXTS:
            text = getattr(row, column)
            fixed = fix_text(text)
            if fixed != text and (fixed.strip() or not text.strip()):
                changes[column] = fixed
        return changes

    return TextFix(words, new_texts)
