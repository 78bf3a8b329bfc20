"""A new mapping in words."""

from __future__ import annotations

from core.data.columns.mapping import ColumnMapping, ColumnPick
from core.data.columns.marks import RowMark
from tui.data.mapping_changes import mapping_change_words


def test_only_what_differs_is_named() -> None:
    before = ColumnMapping({"output": ColumnPick("answer"), "reasoning": ColumnPick("考え"), "input": ColumnPick("x")})
    after = ColumnMapping({"output": ColumnPick("answer"), "reasoning": ColumnPick("answer", "think")})
    assert (
        mapping_change_words(before, after)
        == "input: x → nothing; reasoning: 考え → answer (think) (c changes it again)"
    )
    marked = after.with_marks([RowMark("label"), RowMark("keep")])
    assert mapping_change_words(marked, after) == "marks: label, keep → nothing (c changes it again)"
    assert mapping_change_words(after, after) == "The columns are taken from where they were."
