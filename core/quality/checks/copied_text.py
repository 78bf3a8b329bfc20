"""Fields that are copies of each other: reasoning that only repeats the question or the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_LONG_OUTPUT = 80  # bytes of UTF-8; good reasoning may contain a shorter output, since that is its answer
_LONG_COPY = 30  # bytes of UTF-8; longer reasoning that is part of the instruction is no accident
_RESTATED = 0.8  # the share of the reasoning that is the instruction

KINDS = (
    FindingKind(
        "reasoning_is_output",
        "warning",
        "reasoning and output are the same",
        "Reasoning that is only the answer teaches the model to skip the thinking",
        "Write the steps that lead to the answer, or clear the reasoning",
    ),
    FindingKind(
        "reasoning_is_instruction",
        "warning",
        "reasoning is copied from the instruction",
        "Reasoning that only repeats the question teaches the model to stall",
        "Write the steps that lead to the answer, or clear the reasoning",
    ),
    FindingKind(
        "output_in_reasoning",
        "hint",
        "the reasoning contains the complete output",
        "A long answer that is copied from the reasoning doubles the cost of the row, and teaches the model to write "
        "everything twice",
        "Keep only the steps in the reasoning, and the text of the answer in the output",
    ),
)


def check_copies(block: RowBlock, findings: Findings) -> None:
    columns = (block[column] for column in ("instruction", "input", "reasoning", "output"))
    for row, *texts in zip(block.indices, *columns, strict=True):
        instruction, input_text, reasoning, output = (text.strip() for text in texts)
        if not reasoning:
            continue
        if reasoning == output:
            findings.add("reasoning_is_output", row, "reasoning")
        elif _is_long(output, _LONG_OUTPUT) and output in reasoning:
            findings.add("output_in_reasoning", row, "output")
        if _repeats(reasoning, instruction) or _repeats(reasoning, input_text):
            findings.add("reasoning_is_instruction", row, "reasoning")


def _repeats(reasoning: str, question: str) -> bool:
    """Whether the reasoning is a part of the question, or the question with little other text."""
    if not question:
        return False
    if len(reasoning) <= len(question):
        return _is_long(reasoning, _LONG_COPY) and reasoning in question
    return len(question) >= _RESTATED * len(reasoning) and _is_long(question, _LONG_COPY) and question in reasoning


def _is_long(text: str, least: int) -> bool:
    """Whether the text has at least `least` bytes of UTF-8. Counts them only where it is in doubt."""
    return len(text) * 4 >= least and len(text.encode("utf-8", "surrogatepass")) >= least


CHECK = RowCheck(KINDS, lambda context: check_copies)
