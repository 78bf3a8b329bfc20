"""Splits a worked answer at a line: `####` before the result, headings of reasoning and answer, or `Final Answer:`.

Such lines are ordinary text as well, so a column is only read this way where nearly all of its rows have them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from core.data.columns.thinking import ThinkingSplit

HeadingKind = Literal["hash", "heading", "final"]

_REASONING = (
    "reasoning|thinking|thoughts?|thought process|thinking process|reasoning process|chain[ -]of[ -]thought|rationale|"
    "explanation|analysis|思考過程|思考プロセス|推論過程|推論プロセス|推論|思考|考え方|理由|解説|"
    "思考过程|推理过程|推理|分析|解析|思考"
)
_ANSWER = (
    "final answer|answer|final response|response|output|回答|最終回答|最終的な回答|最終的な答え|答え|解答|応答|出力|"
    "答案|最终答案|最终回答|输出"
)
_FINAL = r"final answer|final response|最終回答|最終的な回答|最終的な答え|最终答案|最终回答"


def _heading(words: str) -> str:
    """A line's beginning that is one of `words`, marked as a heading by #, bold, brackets or a colon."""
    marked = rf"\#{{1,6}}[ \t]*(?:\*\*)?(?:{words})(?:\*\*)?[ \t]*[:：]?(?:\*\*)?(?=[ \t]*(?:\n|\Z))"
    bold = rf"\*\*[ \t]*(?:{words})[ \t]*(?:[:：][ \t]*\*\*|\*\*[ \t]*[:：]?)"
    bracketed = rf"[【［\[](?:{words})[】］\]][ \t]*[:：]?"
    plain = rf"(?:{words})[ \t]*[:：]"
    return rf"(?:{marked}|{bold}|{bracketed}|{plain})"


_REASONING_HEADING = re.compile(rf"\s*{_heading(_REASONING)}", re.IGNORECASE)
_ANSWER_HEADING = re.compile(rf"^[ \t]*{_heading(_ANSWER)}", re.IGNORECASE | re.MULTILINE)
_FINAL_HEADING = re.compile(rf"^[ \t]*{_heading(_FINAL)}", re.IGNORECASE | re.MULTILINE)
_HASH = re.compile(r"^####(?!#)[ \t]*(?=\S)", re.MULTILINE)
_LONGEST_RESULT = 200  # characters after ####; more is a section under a heading


def split_at_hash(text: str) -> ThinkingSplit | None:
    """The worked steps and the result of an answer like those of GSM8K, whose last line is `#### 8`; None for any other
    text. The steps keep their annotations (`<<3+5=8>>`)."""
    marks = list(_HASH.finditer(text)) if "####" in text else []
    if len(marks) != 1:
        return None
    steps, result = text[: marks[0].start()].strip(), text[marks[0].end() :].strip()
    if not steps or "\n" in result or not 0 < len(result) <= _LONGEST_RESULT:
        return None
    return ThinkingSplit(steps, result, "####")


def split_at_headings(text: str) -> ThinkingSplit | None:
    """The texts under a heading of reasoning, with which `text` begins, and under the last heading of an answer after
    it: `**Reasoning:**` and `**Answer:**`, `思考過程:` and `回答:`. None for any other text."""
    opening = _REASONING_HEADING.match(text)
    if opening is None:
        return None
    answers = list(_ANSWER_HEADING.finditer(text, opening.end()))
    if not answers:
        return None
    reasoning, answer = text[opening.end() : answers[-1].start()].strip(), text[answers[-1].end() :].strip()
    return ThinkingSplit(reasoning, answer, opening[0].strip()) if reasoning and answer else None


def split_at_final(text: str) -> ThinkingSplit | None:
    """The texts before and after the last line that begins with `Final Answer:`; None for any other text."""
    marks = list(_FINAL_HEADING.finditer(text))
    if not marks:
        return None
    reasoning, answer = text[: marks[-1].start()].strip(), text[marks[-1].end() :].strip()
    return ThinkingSplit(reasoning, answer, marks[-1][0].strip()) if reasoning and answer else None


HEADING_SPLITS: dict[HeadingKind, Callable[[str], ThinkingSplit | None]] = {
    "hash": split_at_hash,
    "heading": split_at_headings,
    "final": split_at_final,
}
"""The split of each kind."""
_NEARLY_ALL = 0.9  # the share of texts that makes a kind systematic
_FEWEST = 2  # texts, fewer of which show no system


def systematic_heading(texts: Sequence[str]) -> tuple[HeadingKind, str] | None:
    """The kind of line at which nearly all of `texts` can be split, and its spelling in the first of them; None where
    there is none."""
    if len(texts) < _FEWEST:
        return None
    for kind, split in HEADING_SPLITS.items():
        sides = [side for text in texts if (side := split(text)) is not None]
        if len(sides) >= _NEARLY_ALL * len(texts):
            return kind, sides[0].marker
    return None
