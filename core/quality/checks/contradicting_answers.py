"""Rows with the same question and sysflag as an earlier row, but another short answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.quality.check_interface import ComparisonCheck
from core.quality.finding_kind import FindingKind
from core.quality.text.comparable_text import numbers_in_order

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_comparison import RowComparison

_SHORT = 40  # characters of an output that counts as a short answer, at most

KINDS = (
    FindingKind(
        "other_answer",
        "hint",
        "the same question with another answer",
        "Where both cannot be right, the model is taught a wrong answer",
        "Compare the two rows",
    ),
)


def find_contradictions(rows: RowComparison, findings: Findings) -> None:
    outputs = rows.signatures["output"]
    for positions in rows.groups_within_flag("question"):
        first, *others = positions
        if (outputs[positions] == outputs[first]).all() or not rows.texts(first).question:
            continue
        answer, system = rows.texts(first).output, rows.texts(first).system
        for position in others:
            if outputs[position] == outputs[first] or rows.texts(position).system != system:
                continue
            if _contradict(answer, rows.texts(position).output):
                findings.add("other_answer", rows.row_index(position), "output", rows.row_index(first))


def _contradict(answer: str, other: str) -> bool:
    """Whether two short answers differ in their numbers, and not only in a unit or a full stop."""
    if not 0 < len(answer) <= _SHORT or not 0 < len(other) <= _SHORT:
        return False
    if answer in other or other in answer:
        return False
    return numbers_in_order(answer) != numbers_in_order(other)


CHECK = ComparisonCheck(KINDS, find_contradictions)
