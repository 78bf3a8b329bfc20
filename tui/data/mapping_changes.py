"""What a newly chosen mapping changes, in words: rows and runs are made with it. Knows no widget."""

from __future__ import annotations

from core.base.row import COLUMNS
from core.base.safe_text import safe_line
from core.data.columns.mapping import ColumnMapping, ColumnPick
from tui.actions import key_of


def mapping_change_words(before: ColumnMapping, after: ColumnMapping) -> str:
    """`reasoning: think → cot (c changes it again)`. Safe text."""
    changes = []
    for column in COLUMNS:
        old, new = (mapping.picks.get(column) or ColumnPick("") for mapping in (before, after))
        if (old.column, old.how) != (new.column, new.how):
            changes.append(f"{column}: {_pick_words(old)} → {_pick_words(new)}")
    if before.marks != after.marks:
        changes.append(f"marks: {_mark_names(before)} → {_mark_names(after)}")
    if not changes:
        return "The columns are taken from where they were."
    return f"{'; '.join(changes)} ({key_of('data.map_columns')} changes it again)"


def _mark_names(mapping: ColumnMapping) -> str:
    return ", ".join(safe_line(mark.column, 30) for mark in mapping.marks) or "nothing"


def _pick_words(pick: ColumnPick) -> str:
    how = f" ({pick.how.replace('_', ' ')})" if pick.how != "text" else ""
    return safe_line(pick.column, 30) + how if pick.column else "nothing"
