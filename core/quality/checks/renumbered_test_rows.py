"""Questions of held-out rows that are also trained on with other numbers.

In data made from forms, such as sums with drawn numbers, other numbers make another question: nothing is reported where
many rows are so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.quality.check_interface import ComparisonCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_comparison import RowComparison

_MOST_ROWS = 4  # rows that ask in the same form; a form with more is meant
_FEW, _FEWEST = 0.005, 10  # the share of the trained rows that are so, and rows; of more of them the forms are meant
_FEWEST_WORDS, _FEWEST_CJK = 8, 16  # of a question that is no mere sum

KINDS = (
    FindingKind(
        "renumbered_leakage",
        "hint",
        "a test question with other numbers in train",
        "It may be another question, or a test question that was altered: the steps to its answer are the same",
        "Compare the two rows; delete the one in train if it was made from the test question",
    ),
)


def find_renumbered(rows: RowComparison, findings: Findings) -> None:
    import numpy as np

    questions = rows.signatures["question"]
    if not (rows.held_out.any() and rows.trained.any()):
        return
    asked_in_tests = np.isin(rows.signatures["form"], np.unique(rows.signatures["form"][rows.held_out]))
    candidates = np.flatnonzero(asked_in_tests & (rows.held_out | rows.trained))
    pairs = []
    for group in rows.groups_among("form", candidates):
        tests = [position for position in group if rows.held_out[position]]
        if not tests or len({int(questions[position]) for position in group}) > _MOST_ROWS:
            continue
        known = {int(questions[position]) for position in tests}
        others = [position for position in group if rows.trained[position] and int(questions[position]) not in known]
        pairs += [(position, tests[0]) for position in others if _is_long(rows.texts(position).question)]
    if len(pairs) <= max(_FEWEST, _FEW * np.count_nonzero(rows.trained)):
        for position, test in pairs:
            findings.add("renumbered_leakage", rows.row_index(position), other=rows.row_index(test))


def _is_long(question: str) -> bool:
    from core.quality.text.comparable_text import words_of

    words = words_of(question)
    return len(words) >= (_FEWEST_CJK if isinstance(words, str) else _FEWEST_WORDS)


CHECK = ComparisonCheck(KINDS, find_renumbered)
