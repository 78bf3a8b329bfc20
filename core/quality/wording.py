"""Texts as they are compared with each other: normalised, in shingles, by their numbers. Pure and light."""

from __future__ import annotations

import re
import unicodedata

SHINGLE, SHINGLE_WIDE = (
    6,
    3,
)  # characters; the latter where most letters are Chinese, Japanese or Korean, which say more each
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NUMERAL = re.compile(r"\d+|[〇一二三四五六七八九十百千万億兆两]+")
_COUNTING = {  # words that make another question as numbers do
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twice", "half", "thrice",
    "first", "second", "third", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
}  # fmt: skip
_STOPS = str.maketrans(",.;:!?()-", "         ")


def normal(text: str) -> str:
    """The text as it is compared: NFKC, case folded, runs of white space as one blank."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def question(instruction: str, input: str) -> str:
    """What a row asks, normalised."""
    return normal(f"{instruction}\n{input}") if input else normal(instruction)


def whole(question: str, reasoning: str, output: str) -> str:
    """All that a row says, of its normalised parts."""
    return "\n".join((question, reasoning, output))


def wide(text: str) -> bool:
    """Whether the text is mostly Chinese, Japanese or Korean."""
    return not text.isascii() and 3 * len(_WIDE.findall(text)) > len(text)


def numerals(text: str) -> list[str]:
    """The numbers in a normalised text, digits in order and then words: questions that differ in these are other
    questions."""
    return _NUMERAL.findall(text) + [word for word in text.translate(_STOPS).split() if word in _COUNTING]


def shingles(text: str) -> set[str]:
    size = SHINGLE_WIDE if wide(text) else SHINGLE
    return {text[i : i + size] for i in range(max(1, len(text) - size + 1))}


def similarity(one: str, other: str) -> float:
    """Of two normalised texts: the share of their shingles that they have in common, 0 to 1."""
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)
