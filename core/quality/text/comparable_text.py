"""Normalises texts and compares them by shingles and numbers. Pure and light."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

SHINGLE, SHINGLE_CJK = 6, 3
"""Characters of a shingle; fewer in mostly Chinese, Japanese or Korean texts, where one character carries more."""

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NUMBER = re.compile(r"[\d〇一二三四五六七八九十百千万億兆两]+")
_ASCII_NUMBER = re.compile(r"[0-9]+")
_NUMBER_WORDS = frozenset(  # words that make it another question, like other digits
    {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twice", "half"}
    | {"thrice", "first", "second", "third"}
    | {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
)
_FEWEST_WORDS, _FEWEST_CJK = 8, 16  # of texts that are compared word by word
_WORD_OF_CJK = 4  # characters of a word, at most
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(sorted(_NUMBER_WORDS))})\b")
_WITHOUT_PUNCTUATION = str.maketrans(",.;:!?()-", "         ")


def normalise_text(text: str) -> str:
    """The text in the form for comparison: NFKC, case folded, runs of white space as one space."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def normalise_question(instruction: str, input_text: str, history: str = "") -> str:
    """The question of a row, normalised. history: the turns before it, without which it may be another question."""
    question = f"{instruction}\n{input_text}" if input_text else instruction
    return normalise_text(f"{history}\n{question}" if history else question)


def join_row_text(question: str, reasoning: str, output: str) -> str:
    """All texts of a row, joined from its normalised parts."""
    return "\n".join((question, reasoning, output))


def is_mostly_cjk(text: str) -> bool:
    """Whether more than a third of the text is Chinese, Japanese or Korean."""
    return not text.isascii() and 3 * len(_CJK.findall(text)) > len(text)


def numbers_in_order(text: str) -> list[str]:
    """The numbers in a normalised text, first those in digits, then those in words. Questions with different numbers
    are different questions."""
    numbers = (_ASCII_NUMBER if text.isascii() else _NUMBER).findall(text)
    words = text.translate(_WITHOUT_PUNCTUATION).split()
    if not _NUMBER_WORDS.isdisjoint(words):
        numbers += [word for word in words if word in _NUMBER_WORDS]
    return numbers


def without_numbers(text: str, has_number_words: bool = True) -> str:
    """A normalised text with 0 in place of every number: equal for questions that differ in numbers only.
    has_number_words: False saves time where `numbers_in_order` found none in words."""
    form = "0".join((_ASCII_NUMBER if text.isascii() else _NUMBER).split(text))
    return _NUMBER_WORD.sub("0", form) if has_number_words else form


def words_of(text: str) -> Sequence[str]:
    """The words of a normalised text; its characters where it is mostly Chinese, Japanese or Korean."""
    return text if is_mostly_cjk(text) else text.split()


def differ_in_one_word(text: str, other: str) -> bool:
    """Whether two normalised texts are equal but for one word, or a few characters in a row where they are mostly
    Chinese, Japanese or Korean. Short texts are not: one word is most of what they say."""
    words, others = words_of(text), words_of(other)
    is_cjk = isinstance(words, str)
    if is_cjk != isinstance(others, str) or min(len(words), len(others)) < (_FEWEST_CJK if is_cjk else _FEWEST_WORDS):
        return False
    if not is_cjk and len(words) != len(others):
        return False
    if words == others:
        return False
    start = next((i for i, (word, same) in enumerate(zip(words, others, strict=False)) if word != same), 0)
    most = min(len(words), len(others)) - start
    end = 0
    while end < most and words[-1 - end] == others[-1 - end]:
        end += 1
    changed = max(len(words), len(others)) - start - end
    return changed <= (_WORD_OF_CJK if is_cjk else 1)


def shingle_similarity(text: str, other: str) -> float:
    """The Jaccard similarity of the shingles of two normalised texts: the share that they have in common, 0 to 1."""
    first, second = _shingles(text), _shingles(other)
    return len(first & second) / len(first | second)


def _shingles(text: str) -> set[str]:
    size = SHINGLE_CJK if is_mostly_cjk(text) else SHINGLE
    return {text[i : i + size] for i in range(max(1, len(text) - size + 1))}
