"""Reasoning that does not arrive at the answer in the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

KINDS = (
    FindingKind(
        "answer_not_concluded",
        "hint",
        "the reasoning does not arrive at the answer",
        "Where reasoning and answer disagree, the model learns that the answer need not follow from the reasoning",
        "Read the row, and correct the reasoning or the answer",
    ),
)


def check_answer(block: RowBlock, findings: Findings) -> None:
    from core.quality.text.answer_in_reasoning import reaches_answer

    for row, reasoning, output in zip(block.indices, block["reasoning"], block["output"], strict=True):
        if reasoning and reaches_answer(reasoning, output) is False:
            findings.add("answer_not_concluded", row, "output")


CHECK = RowCheck(KINDS, lambda context: check_answer)
