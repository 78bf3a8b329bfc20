"""What can be said of a row by itself: what is missing, copied, cut off by white space, or written with characters that
no text should hold."""

from __future__ import annotations

from collections.abc import Callable

from ftfy.badness import is_bad

from core.examples.held_out import held_out
from core.quality.answers import concluded
from core.quality.blocks import TEXTS, Block
from core.quality.findings import Findings
from core.quality.letters import Class

_LONG = 80  # bytes of UTF-8: shorter outputs stand in a good reasoning by right, for they are its answer
_COPIED = 30  # bytes of UTF-8 from which on a reasoning within the instruction is no accident
_RESTATED = 0.8  # of a reasoning that is the instruction again
_BLACK_FLAG = "\U0001f3f4"
_HIDING = {
    chr(code)
    for code in (
        0x61C,
        0x200B,
        0x200E,
        0x200F,
        *range(0x202A, 0x202F),
        *range(0x2060, 0x206A),
        0xFEFF,
        *range(0xFFF9, 0xFFFC),
    )
}
Check = Callable[[Block, Findings], None]


def check_missing(block: Block, findings: Findings) -> None:
    for column in ("instruction", "output"):
        findings.add_all(
            f"missing_{column}",
            (row for row, text in zip(block.rows, block[column], strict=True) if not text.strip()),
            column,
        )
    for row, text, flag in zip(block.rows, block["reasoning"], block["sysflag"], strict=True):
        if not text.strip() and not held_out(flag):  # a test row is asked, never trained
            findings.add("empty_reasoning", row, "reasoning")


def check_edges(block: Block, findings: Findings) -> None:
    for column in TEXTS:
        for row, text in zip(block.rows, block[column], strict=True):
            if text and (text[0].isspace() or text[-1].isspace()) and text.strip():
                findings.add("blank_edges", row, column)


def check_copies(block: Block, findings: Findings) -> None:
    for place, row in enumerate(block.rows):
        reasoning, output = block["reasoning"][place].strip(), block["output"][place].strip()
        if not reasoning:
            continue
        if reasoning == output:
            findings.add("reasoning_is_output", row, "reasoning")
        elif output and len(output) * 3 >= _LONG and len(output.encode()) >= _LONG and output in reasoning:
            findings.add("output_in_reasoning", row, "output")
        question = block["instruction"][place].strip()
        for asked in (question, block["input"][place].strip()):
            if not asked:
                continue
            inside = len(reasoning) <= len(asked) and len(reasoning.encode()) >= _COPIED and reasoning in asked
            if inside or (
                len(asked) >= _RESTATED * len(reasoning) and len(asked.encode()) >= _COPIED and asked in reasoning
            ):
                findings.add("reasoning_is_instruction", row, "reasoning")
                break


def check_answer(block: Block, findings: Findings) -> None:
    for row, reasoning, output in zip(block.rows, block["reasoning"], block["output"], strict=True):
        if reasoning and concluded(reasoning, output) is False:
            findings.add("answer_not_concluded", row, "output")


def check_letters(block: Block, findings: Findings) -> None:
    for column in TEXTS:
        letters, texts = block.letters[column], block[column]
        for kind, classes in (
            ("replacement_character", Class.LOST),
            ("control_character", Class.CONTROL),
            ("hidden_character", Class.HIDDEN),
        ):
            for place in letters.of(classes).nonzero()[0]:
                if kind != "hidden_character" or hides(texts[place]):
                    findings.add(kind, block.rows[place], column)
        for place in letters.garbled.nonzero()[0]:
            if is_bad(texts[place]):
                findings.add("mojibake", block.rows[place], column)


def hides(text: str) -> bool:
    """False where the only such characters are the tags of a flag emoji, which belong to it."""
    return _BLACK_FLAG not in text or not _HIDING.isdisjoint(text)


CHECKS: tuple[Check, ...] = (check_missing, check_edges, check_copies, check_answer, check_letters)
