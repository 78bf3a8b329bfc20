"""Rows that are almost the same as an earlier row with the same sysflag.

Either all their texts are almost the same, or their questions are and their answers are equal.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from core.quality.check_interface import ComparisonCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_comparison import RowComparison

KINDS = (
    FindingKind(
        "near_duplicate",
        "hint",
        "almost the same row again",
        "Rows that differ by a few words count like repeated rows",
        "Compare the two rows, and keep the better one",
    ),
)


def find_near_duplicates(rows: RowComparison, findings: Findings) -> None:
    _Search(rows, findings).run()


class _Search:
    """The search. Each row is found once: a row that is a duplicate of any kind is not compared again."""

    def __init__(self, rows: RowComparison, findings: Findings) -> None:
        import numpy as np

        self._rows, self._findings = rows, findings
        self._is_found = np.zeros(len(rows), np.bool_)
        for _, *others in rows.groups_within_flag("exact"):
            self._is_found[others] = True

    def run(self) -> None:
        for first, *others in self._rows.groups_within_flag("normalised"):
            for position in others:
                if not self._is_found[position]:
                    self._add(position, first)
        self._compare_texts()
        self._compare_questions()

    def _add(self, position: int, other: int) -> None:
        self._is_found[position] = True
        self._findings.add("near_duplicate", self._rows.row_index(position), other=self._rows.row_index(other))

    def _compare_texts(self) -> None:
        self._compare("text_bands", self._rows.signatures["flag"], ~self._is_found)

    def _compare_questions(self) -> None:
        import numpy as np

        asks_first = np.zeros(len(self._rows), np.bool_)  # the first row with its question
        asks_first[np.unique(self._rows.within_flag("question"), return_index=True)[1]] = True
        self._compare("question_bands", self._rows.within_flag("output"), asks_first)

    def _compare(self, bands: str, key: Any, candidates: Any) -> None:
        """Compares each row with the first and the previous row that have the same band and key."""
        import numpy as np

        from core.quality.row_comparison import MOST_COMPARED

        are_the_same = self._rows.have_similar_texts if bands == "text_bands" else self._rows.have_similar_questions
        tries = np.zeros(len(self._rows), np.uint8)
        for band in self._rows.bands("comparing rows with each other"):
            for positions in self._rows.band_groups(bands, band, np.flatnonzero(candidates & ~self._is_found), key):
                for before, position in pairwise(positions):
                    for other in {positions[0], before}:
                        if not self._is_found[position] and tries[position] < MOST_COMPARED:
                            tries[position] += 1
                            if are_the_same(other, position):
                                self._add(position, other)


CHECK = ComparisonCheck(KINDS, find_near_duplicates)
