"""How a text ends: with the end of a sentence, in the middle of one, or so that nobody can tell.

Pure, one text at a time. Headings, options, formulas, code and addresses end without a full stop, and are no evidence.
"""

from __future__ import annotations

import re
from enum import IntEnum


class TextEnd(IntEnum):
    """The end of a text."""

    UNKNOWN = 0
    ENDED = 1
    """With a full stop, a question mark or the like."""
    OPEN = 2
    """In a sentence without a full stop: cut off, or written so."""
    BROKEN = 3
    """Surely in the middle of a sentence: behind a comma, an operator, or a word or a part of one that ends none."""


_READ = 300  # characters at the end that are read
_FULL_STOPS = ".!?。！？…．؟।"
_MARKUP = re.compile(r"(?:\\[nr]|</?\w+\s*/?>|&nbsp;|\s)+\Z")  # left behind the last sentence
_OPEN_LINE = re.compile(r"\w[ \t]*\n")  # an earlier line without a full stop: the text is written so
_MARKUP_ENDS = ("\\n", "\\r", ">", ";")
_CLOSING = "\"'”’)）」』】]*_~ \t"
_CLOSING_QUOTES = "\"'”’)）」』】]"
_BREAKING = ",，、;；+=×÷(（「『"
_NEVER_LAST = re.compile(
    r"\b(?:the|an?|of|and|or|because|but|than|from|with|my|your|our|their|whose|into|during|although|whereas|unless|via|"
    r"every|between)\Z",
    re.IGNORECASE,
)
_NEVER_LAST_CJK = re.compile(
    r"(?:[をのは]|および|または|そして|しかし|なので|[和与或并且但把被]|因为|由于|如果|以及|虽然)\Z"
)
_LAST_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*\Z")
_WORD = re.compile(r"[^\W\d_]{2,}")
_CJK_LETTER = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_LIST_ITEM = re.compile(r"\s*(?:[-*•·+>|#]|\(?[A-Za-z0-9]{1,3}[.)、:：]\s|[①-⑳]|```|\$\$|\\)")
_NO_WORD = re.compile(r"://|[|;{}\\$]\Z")  # in the last word of a line: an address, code or a formula
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[。！？]")
_FEWEST_WORDS, _FEWEST_CJK = 4, 8  # of a last line that is a sentence
_REST = re.compile(r"[^\W\d_]*(?:['’][^\W\d_]+)?")
_INFLECTION = re.compile(
    r"(?:'|’)?(?:s|es|d|ed|r|er|est|ing|ly|y|n|en|al|ally|'s|’s|men|man|ment|ful|less|th|teen|ty)?\Z"
)


def text_end(text: str, other_text: str = "") -> TextEnd:
    """How `text` ends. other_text: of the same row; a last word that is the beginning of one of its words was cut."""
    tail = text[-_READ:].rstrip()
    if tail.endswith(_MARKUP_ENDS):
        tail = _MARKUP.sub("", tail).rstrip()
    bare = tail.rstrip(_CLOSING)
    if not bare:
        return TextEnd.UNKNOWN
    last = bare[-1]
    if last in _FULL_STOPS:
        return TextEnd.ENDED
    if not last.isalnum() and last not in _BREAKING:
        return TextEnd.UNKNOWN
    line = tail.rpartition("\n")[2]
    if _LIST_ITEM.match(line) or _NO_WORD.search(line[line.rfind(" ") + 1 :]) or not _is_sentence(line):
        return TextEnd.UNKNOWN
    if tail[-1] in _CLOSING_QUOTES:
        return TextEnd.OPEN if last.isalpha() and tail[-1] in "」』" else TextEnd.UNKNOWN
    if last in _BREAKING:
        return TextEnd.BROKEN
    if not last.isdigit() and _is_cut_word(bare, f"{text} {other_text}"):
        return TextEnd.BROKEN
    # a number behind a full stop may be an answer
    is_number = last.isdigit() and not _is_sentence(_SENTENCE_END.split(line)[-1], 3, 5)
    return TextEnd.UNKNOWN if is_number or _OPEN_LINE.search(text) else TextEnd.OPEN


def _is_sentence(line: str, fewest_words: int = _FEWEST_WORDS, fewest_cjk: int = _FEWEST_CJK) -> bool:
    return len(_WORD.findall(line)) >= fewest_words or len(_CJK_LETTER.findall(line)) >= fewest_cjk


def _is_cut_word(tail: str, texts: str) -> bool:
    """Whether the last word of `tail` ends no sentence, or is the beginning of a word in `texts` and not a word of its
    own there."""
    if _CJK_LETTER.match(tail[-1]):
        return _NEVER_LAST_CJK.search(tail) is not None
    found = _LAST_WORD.search(tail)
    if found is None:
        return False
    word = found[0]
    if _NEVER_LAST.search(tail):
        return True
    if len(word) < 2 or not word.isascii() or texts.count(word) < 2:
        return False
    rests = _rests_of_words(word, texts)
    # the text itself is among the texts: its own last word is the one without a rest
    return rests.count("") == 1 and any(not _INFLECTION.fullmatch(rest) for rest in rests)


def _rests_of_words(beginning: str, texts: str) -> list[str]:
    """What follows `beginning` in each word of `texts` that begins so. A regular expression would try every letter."""
    rests = []
    start = texts.find(beginning)
    while start >= 0:
        end = start + len(beginning)
        if not (start and texts[start - 1].isalpha()):
            rests.append(_REST.match(texts, end)[0])  # type: ignore[index]  # it matches nothing too
        start = texts.find(beginning, end)
    return rests
