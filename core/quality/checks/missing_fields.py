"""Rows without an instruction, an output, or reasoning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.base.row import is_blank
from core.examples.trained_rows import is_held_out
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

KINDS = (
    FindingKind(
        "missing_instruction",
        "error",
        "no instruction",
        "The model would be trained to answer a question it never sees",
        "Write the instruction, or delete the row",
    ),
    FindingKind(
        "missing_output",
        "error",
        "no output",
        "The model would be trained to stop at once instead of answering",
        "Write the answer, or delete the row",
    ),
    FindingKind(
        "empty_reasoning",
        "warning",
        "no reasoning",
        "The row cannot teach reasoning: it is trained with a template without reasoning, and raises their share",
        "Write the reasoning, or leave it empty on purpose",
    ),
)


def check_missing_fields(block: RowBlock, findings: Findings) -> None:
    for column in ("instruction", "output"):
        for row, text in zip(block.indices, block[column], strict=True):
            if is_blank(text):
                findings.add(f"missing_{column}", row, column)
    for row, reasoning, flag in zip(block.indices, block["reasoning"], block["sysflag"], strict=True):
        # a held-out row is never trained
        if is_blank(reasoning) and not is_held_out(flag):
            findings.add("empty_reasoning", row, "reasoning")


CHECK = RowCheck(KINDS, lambda context: check_missing_fields)
