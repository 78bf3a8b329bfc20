"""Questions that give their answer away: `... How many are left? (Answer: 8)`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_CANDIDATE = (
    r"(?i)\b(?:answer|ans|solution|result)\b[^\n]{0,12}?(?:\bis\b|[:：=])|(?:答え|解答|正解|答案|答)[^\n]{0,4}?[:：=は是为為]|"
    r"(?:[?？]|か。)[^?？]{1,80}$|[.。]\s*[^\s.。?？!！]{1,20}$|####"
)
_ANNOUNCED = re.compile(
    r"(?:\b(?:answer|ans|solution|result)\b[ \t]*(?:is\b|[:=])|####|"
    r"(?:答え|解答|正解|答案|答)[ \t]*[:=は是为為])[ \t]*:?",
    re.IGNORECASE,
)
_LAST_QUESTION = re.compile(r"(?s).*(?:\?|か。)(.{1,80})\Z")
_LAST_WORD = re.compile(r"(?:\. |。)\s*(\S{1,20})\s*\Z")
_ORNAMENT = " \t\n()[]{}【】「」*#$\\:=>_\"'"
# behind the answer: nothing, or one word such as a unit, and then the end of a line, a sentence or a bracket
_END = re.compile(r"[ \t]*[^\W\d_]{0,12}[ \t]*(?:[)\]】」。!;*]|\.(?!\d)|\n|\Z)")

KINDS = (
    FindingKind(
        "answer_in_question",
        "warning",
        "the question gives its answer away",
        "The model learns to copy the answer instead of working it out",
        "Remove the answer from the question",
    ),
)


def check_questions(block: RowBlock, findings: Findings) -> None:
    for column in ("instruction", "input"):
        for position in block.positions_matching(column, _CANDIDATE):
            if gives_answer_away(block[column][position], block["output"][position]):
                findings.add("answer_in_question", block.indices[position], column)


def gives_answer_away(question: str, output: str) -> bool:
    """Whether a question announces exactly the short answer in `output`, or has it behind its question mark."""
    from core.quality.text.answer_in_reasoning import normalised_answer, short_answer

    answer = short_answer(normalised_answer(output.strip())).strip(_ORNAMENT + ".。").casefold()
    if not answer:
        return False
    text = normalised_answer(question)
    if any(_begins_with(text[found.end() : found.end() + 100], answer) for found in _ANNOUNCED.finditer(text)):
        return True
    behind = _LAST_QUESTION.match(text)
    if behind is not None and _is_alone(behind[1], answer):
        return True
    last_word = _LAST_WORD.search(text)
    return last_word is not None and last_word[1].casefold() == answer


def _begins_with(text: str, answer: str) -> bool:
    """Whether a text begins with the answer, and ends or breaks off there."""
    bare = text.lstrip(_ORNAMENT).casefold()
    number = _number_at_start(bare)
    if number and number == answer.replace(",", ""):
        length = len(re.match(r"[\d,.]*\d", bare)[0]) if bare[0].isdigit() else len(number)  # type: ignore[index]
        return _END.match(bare, length) is not None
    return bare.startswith(answer) and _END.match(bare, len(answer)) is not None


def _is_alone(text: str, answer: str) -> bool:
    bare = text.strip(_ORNAMENT + ".。").casefold()
    return bare == answer or (bool(bare) and _begins_with(bare, answer) and len(bare.split()) <= 2)


def _number_at_start(text: str) -> str:
    found = re.match(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?", text)
    return found[0].replace(",", "") if found else ""


CHECK = RowCheck(KINDS, lambda context: check_questions)
