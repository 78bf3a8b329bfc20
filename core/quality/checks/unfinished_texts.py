"""Texts that end in the middle of a sentence where the texts of most other rows end with one.

Whether a missing full stop means anything depends on the data set: where many texts have none, only those count that
surely break off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.quality.check_interface import ComparisonCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_comparison import RowComparison

_MOST_ENDED, _MANY_ENDED = 0.8, 0.5  # the share of texts with a full stop from which on open and broken ends count
_FEW = 0.02  # open ends count where this share of the texts has them, at most
_FEW_BROKEN = 0.1  # the same for ends that surely break off

KINDS = (
    FindingKind(
        "unfinished_text",
        "warning",
        "the text ends in the middle of a sentence",
        "It was probably cut at a maximum length, and the model would learn to stop in the middle, or to answer half a "
        "question",
        "Complete the text, or delete the row",
    ),
)


def find_unfinished(rows: RowComparison, findings: Findings) -> None:
    import numpy as np

    from core.quality.text.sentence_ends import TextEnd

    for number, column in enumerate(("instruction", "reasoning", "output")):
        ends = rows.signatures["ends"] >> (2 * number) & 3
        ended, is_open, is_broken = (ends == end for end in (TextEnd.ENDED, TextEnd.OPEN, TextEnd.BROKEN))
        known, broken = np.count_nonzero(ends), np.count_nonzero(is_broken)
        if not known:
            continue
        share = np.count_nonzero(ended) / known
        unfinished = np.zeros(len(ends), np.bool_)
        if share >= _MANY_ENDED and broken <= max(2, _FEW_BROKEN * known):
            unfinished |= is_broken
        if share >= _MOST_ENDED and np.count_nonzero(is_open) <= max(2, _FEW * known):
            unfinished |= is_open
        for position in np.flatnonzero(unfinished).tolist():
            findings.add("unfinished_text", rows.row_index(position), column)


CHECK = ComparisonCheck(KINDS, find_unfinished)
