"""Rows whose fields stand in each other's place: the question in the output, the answer in the reasoning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.base.row import is_blank
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_ASKS = r"(?:[?？]|か[。.]?)[\s\"'”」』)）]*$"
_QUESTION_MARK = re.compile(r"[?？]|か。|か\Z")
_BARE = 30  # characters of a text that is nothing but an answer, at most
_ANNOUNCEMENT = re.compile(
    r"^(?:so |thus |therefore,? )?(?:the )?(?:final )?answer(?: is|:)\s*|^(?:答えは|答え：|答案是|答案：)", re.I
)
_ANSWER = re.compile(r"[$¥€£]?-?\d[\d,.]*\s?(?:%|[^\W\d]{1,12})?(?:です)?[.。]?|\(?[A-J]\)?[.。]?")
_STEPS = re.compile(r"[^\W\d_]{2,}\W+[^\W\d_]{2,}\W|[\u3040-\u9fff]{5,}|\d\s*[-+*/×÷=]\s*\d")
_LONGER = 3  # times the length of a bare answer that a text with the steps to it has at least

KINDS = (
    FindingKind(
        "swapped_fields",
        "warning",
        "fields in each other's place",
        "The model would learn to answer with the question, or to think after it has answered",
        "Swap the texts of the fields, or choose the columns again with `data map`",
    ),
)


def check_order(block: RowBlock, findings: Findings) -> None:
    instructions, reasonings, outputs = block["instruction"], block["reasoning"], block["output"]
    for position, (reasoning, output) in enumerate(zip(reasonings, outputs, strict=True)):
        if len(reasoning) <= _BARE and len(output) > _LONGER * len(reasoning) and _is_swapped_answer(reasoning, output):
            findings.add("swapped_fields", block.indices[position], "reasoning")
        instruction = instructions[position]
        if len(instruction) <= _BARE and _is_answer_of(instruction, reasoning, output):
            findings.add("swapped_fields", block.indices[position], "instruction")
    for position in block.positions_matching("output", _ASKS):
        if _is_swapped_question(instructions[position], reasonings[position], outputs[position]):
            findings.add("swapped_fields", block.indices[position], "output")
    for position in block.positions_matching("reasoning", _ASKS):
        if _are_swapped_steps(instructions[position], reasonings[position], outputs[position]):
            findings.add("swapped_fields", block.indices[position], "reasoning")


def _is_bare_answer(text: str) -> bool:
    bare = _ANNOUNCEMENT.sub("", text.strip())
    return len(bare) <= _BARE and _ANSWER.fullmatch(bare) is not None


def _is_swapped_answer(reasoning: str, output: str) -> bool:
    """Whether the reasoning is nothing but the answer to which the steps in the output lead."""
    if not _is_bare_answer(reasoning) or not _STEPS.search(output):
        return False
    from core.quality.text.answer_in_reasoning import reaches_answer

    return reaches_answer(output, _ANNOUNCEMENT.sub("", reasoning.strip())) is True


def _is_answer_of(instruction: str, reasoning: str, output: str) -> bool:
    """Whether the instruction is nothing but the answer that the reasoning reaches, and the output is not."""
    if len(output) <= _LONGER * len(instruction) or not _is_bare_answer(instruction):
        return False
    from core.quality.text.answer_in_reasoning import reaches_answer

    return reaches_answer(reasoning, instruction) is True and reaches_answer(reasoning, output) is None


def _is_swapped_question(instruction: str, reasoning: str, output: str) -> bool:
    """Whether an output that asks is the question, and the instruction nothing but the answer."""
    if is_blank(instruction) or _QUESTION_MARK.search(instruction) or len(output) < 2 * len(instruction):
        return False
    if _is_bare_answer(instruction):
        return True
    from core.quality.text.answer_in_reasoning import reaches_answer, short_answer

    is_answer = len(instruction) <= _BARE * 2 and reaches_answer(reasoning, instruction) is True
    return is_answer and not short_answer(output.strip()) and len(reasoning) > len(instruction)


def _are_swapped_steps(instruction: str, reasoning: str, output: str) -> bool:
    """Whether reasoning that asks is the question, and the instruction the steps that lead to the answer."""
    if is_blank(instruction) or _QUESTION_MARK.search(instruction):
        return False
    from core.quality.text.answer_in_reasoning import reaches_answer

    return reaches_answer(instruction, output) is True and reaches_answer(reasoning, output) is not True


CHECK = RowCheck(KINDS, lambda context: check_order)
