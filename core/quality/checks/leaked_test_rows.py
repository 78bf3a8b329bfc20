"""Questions of held-out rows that are also trained on, exactly or almost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.base.row import Row
from core.examples.trained_rows import is_held_out
from core.quality.check_interface import ComparisonCheck
from core.quality.finding_kind import FindingKind, RowDeletion
from core.quality.text.comparable_text import normalise_question

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_comparison import RowComparison


def _is_leaked(row: Row, test: Row) -> bool:
    """Whether a row that is not held out has the same question as the held-out row `test`."""
    if is_held_out(row.sysflag) or not is_held_out(test.sysflag):
        return False
    return _question(row) == _question(test)


def _question(row: Row) -> str:
    return normalise_question(row.instruction, row.input, row.history)


KINDS = (
    FindingKind(
        "leakage",
        "error",
        "test question also in train",
        "A test question that was trained on measures memory, not ability",
        "Delete the row from train, or choose another test question",
        RowDeletion("delete the row from train; the test row stays", _is_leaked),
    ),
    FindingKind(
        "near_leakage",
        "warning",
        "almost a test question in train",
        "A question that differs from a test question by a few words gives its answer away",
        "Compare the two rows; delete the one in train if it asks the same",
    ),
)


def find_leaked_rows(rows: RowComparison, findings: Findings) -> None:
    import numpy as np

    from core.quality.row_comparison import MOST_COMPARED

    if not (rows.held_out.any() and rows.trained.any()):
        return
    is_leaked = np.zeros(len(rows), np.bool_)

    def add(kind: str, position: int, test: int) -> None:
        is_leaked[position] = True
        findings.add(kind, rows.row_index(position), other=rows.row_index(test))

    for positions in rows.groups_in_all("question"):
        tests = [position for position in positions if rows.held_out[position]]
        if tests and rows.texts(tests[0]).question:
            for position in positions:
                if rows.trained[position]:
                    add("leakage", position, tests[0])

    candidates = np.flatnonzero(rows.held_out | (rows.trained & ~is_leaked))
    for band in rows.bands("comparing with the test rows"):
        for positions in rows.band_groups("question_bands", band, candidates, with_any=rows.held_out):
            tests = [position for position in positions if rows.held_out[position]][:MOST_COMPARED]
            for position in positions if tests else ():
                if rows.trained[position] and not is_leaked[position]:
                    test = next((test for test in tests if rows.have_similar_questions(test, position)), None)
                    if test is not None:
                        add("near_leakage", position, test)
    candidates = np.flatnonzero(rows.held_out | (rows.trained & ~is_leaked))
    for half in (0, 1):
        for positions in rows.band_groups("halves", half, candidates, rows.signatures["output"], rows.held_out):
            tests = [position for position in positions if rows.held_out[position]][:MOST_COMPARED]
            for position in positions if tests else ():
                if rows.trained[position] and not is_leaked[position]:
                    test = next((test for test in tests if rows.ask_with_one_other_word(test, position)), None)
                    if test is not None:
                        add("near_leakage", position, test)


CHECK = ComparisonCheck(KINDS, find_leaked_rows)
