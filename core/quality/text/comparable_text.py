"""Normalises texts and compares them by shingles and numbers. Pure and light."""

from __future__ import annotations

import re
import unicodedata

SHINGLE, SHINGLE_CJK = 6, 3
"""Characters of a shingle; fewer in mostly Chinese, Japanese or Korean texts, where one character carries more."""

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_DIGITS = re.compile(r"\d+|[〇一二三四五六七八九十百千万億兆两]+")
_NUMBER_WORDS = frozenset(  # words that make it another question, like other digits
    {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twice", "half"}
    | {"thrice", "first", "second", "third"}
    | {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
)
_WITHOUT_PUNCTUATION = str.maketrans(",.;:!?()-", "         ")


def normalise_text(text: str) -> str:
    """The text in the form for comparison: NFKC, case folded, runs of white space as one space."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def normalise_question(instruction: str, input_text: str) -> str:
    """The question of a row, normalised."""
    return normalise_text(f"{instruction}\n{input_text}") if input_text else normalise_text(instruction)


def join_row_text(question: str, reasoning: str, output: str) -> str:
    """All texts of a row, joined from its normalised parts."""
    return "\n".join((question, reasoning, output))


def is_mostly_cjk(text: str) -> bool:
    """Whether more than a third of the text is Chinese, Japanese or Korean."""
    return not text.isascii() and 3 * len(_CJK.findall(text)) > len(text)


def numbers_in_order(text: str) -> list[str]:
    """The numbers in a normalised text, first those in digits, then those in words. Questions with different numbers
    are different questions."""
    words = text.translate(_WITHOUT_PUNCTUATION).split()
    return _DIGITS.findall(text) + [word for word in words if word in _NUMBER_WORDS]


def shingle_similarity(text: str, other: str) -> float:
    """The Jaccard similarity of the shingles of two normalised texts: the share that they have in common, 0 to 1."""
    first, second = _shingles(text), _shingles(other)
    return len(first & second) / len(first | second)


def _shingles(text: str) -> set[str]:
    size = SHINGLE_CJK if is_mostly_cjk(text) else SHINGLE
    return {text[i : i + size] for i in range(max(1, len(text) - size + 1))}
