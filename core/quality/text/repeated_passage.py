"""Finds a passage of words that a text repeats many times without anything in between: a model caught in a loop.

Pure, one text at a time. Tables, digits, code and rows of punctuation repeat too, but not words.
"""

from __future__ import annotations

import re

from core.quality.text.code_in_text import looks_like_code, without_code

_SHORTEST = 60  # characters of a text that is searched
_PROBE, _STEP = 12, 32  # characters of a probe, and from one to the next: some are inside every long loop
_FEWEST = 4  # times that a passage must occur in a row
_LOOPED = 60  # characters that the repetitions must have together; half of them in Chinese and Japanese
_LONGEST = 1000  # characters of a passage
_LETTER = re.compile(r"[^\W\d_]")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_SEPARATORS = re.compile(r"\s|[\u3000-\u303f\uff01-\uff0f\uff1a-\uff20]")
_CELLS = re.compile(r"[|\t]")


def repeated_passage(text: str) -> str:
    """The passage that `text` repeats at least four times in a row, empty where there is none."""
    if len(text) < _SHORTEST // 2:
        return ""
    for start in range(0, len(text) - _PROBE, _STEP):
        following = text.find(text[start : start + _PROBE], start + 1, start + _LONGEST + _PROBE)
        if following >= 0 and (passage := _passage_between(text, start, following)):
            return passage
    return ""


def _passage_between(text: str, start: int, following: int) -> str:
    """The passage between two positions where it is repeated, or empty."""
    period, passage = following - start, text[start:following]
    first, last = start, following
    while first >= period and text.startswith(passage, first - period):
        first -= period
    while text.startswith(passage, last):
        last += period
    times = (last - first) // period
    looped = _LOOPED // 2 if len(_CJK.findall(passage)) * 2 > period else _LOOPED
    if times < _FEWEST or times * period < looped or not _is_of_words(passage):
        return ""
    return "" if _is_code(text, passage) else passage


def _is_of_words(passage: str) -> bool:
    """Whether the passage is words and not a part of one, a row of a table or an ornament."""
    letters = _LETTER.findall(passage)
    if len(set(letters)) < 3 or len(letters) * 2 < len(passage) or _CELLS.search(passage):
        return False
    return _SEPARATORS.search(passage) is not None


def _is_code(text: str, passage: str) -> bool:
    prose = without_code(text)
    return prose.count(passage) < _FEWEST - 1 or looks_like_code(prose)
