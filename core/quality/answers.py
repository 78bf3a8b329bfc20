"""Does the reasoning arrive at the answer? Finds the answer in an output and looks for it near the end of the
reasoning. Pure, one row at a time.

Made to be silent when in doubt: an output without a short answer, yes and no, formulas and names in another spelling
are no evidence.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

_SHORT = 60  # characters of an output that is an answer as a whole
_LINES, _TAIL, _SHARE = (
    3,
    400,
    3,
)  # the conclusion: the last lines, the last characters, the last third: whichever is longest
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_SAID = re.compile(
    r"(?:####|\b(?:final |correct |right )?answer(?:\s+is\b|\s*:)\s*:?|(?:答え|解答|正解|最終的な答え)(?:は|：|:|=)|"
    r"(?:答案|结果|結果)(?:是|为|為|：|:)|答[：:])[ \t]*([^\n]{1,80})",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<![\w.])-?(?:\d{1,3}(?:[, ]\d{3})+(?!\d)|\d+)(?:\.\d+)?(?!\w)|(?<![\d.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|-?\.\d+"
)
_FRACTION = re.compile(r"(-?\d+)\s*/\s*(\d+)|\\[dt]?frac\s*\{(-?\d+)\}\s*\{(\d+)\}")
_MIXED = re.compile(r"(\d+)\s+(\d+)/(\d+)")
_LATEX = re.compile(r"\\(?:text|mathrm|mathbf|textbf|left|right|displaystyle|,|!|;|\s)|\\[()\[\]]|[${}]|\*\*")
_POWER = re.compile(r"10\s*(?:\^|\*\*)|[⁰¹²³⁴-⁹]|\d[eE][+-]?\d|!")
_OPTION = re.compile(r"\(?([A-J])\)?[.:]?")
_OPTION_SAID = re.compile(
    r"\(([A-J])\)|(?:answer|option|choice|答え|答案|选项|選択肢)[^A-Za-z\n]{0,12}(?:is\s+)?\(?([A-J])\b", re.IGNORECASE
)
_WORDS = re.compile(r"[^\W\d_]{3,}|[\u3040-\u9fff\uac00-\ud7af]{2,}")
_UNSPOKEN = {  # answers that a reasoning need not say
    "yes", "no", "true", "false", "correct", "incorrect", "right", "wrong", "none", "unknown", "undefined", "positive", "negative",
    "neutral", "はい", "いいえ", "正しい", "誤り", "真", "偽", "是", "否", "对", "错", "對", "錯", "正确", "错误",
}  # fmt: skip
_SPELT = {  # what a reasoning in words may call a number
    **dict.fromkeys(("zero", "no", "none", "nothing"), 0), **dict.fromkeys(("one", "once", "single", "a", "an"), 1),
    **dict.fromkeys(("two", "twice", "double", "both", "pair"), 2), **dict.fromkeys(("three", "thrice", "triple"), 3),
    "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "dozen": 12, "thirteen": 13,
    "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
    "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100,
}  # fmt: skip
_KANJI_DIGIT = {letter: value for value, letter in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "兩": 2}
_KANJI_UNIT = {"十": 10, "百": 100, "千": 1000}
_KANJI = re.compile("[〇零一二三四五六七八九十百千两兩]+")
_MYRIADS = re.compile(r"(\d+(?:\.\d+)?)\s*([万億兆萬亿])")
_MYRIAD = {"万": 10**4, "萬": 10**4, "億": 10**8, "亿": 10**8, "兆": 10**12}
_SCALES = re.compile(r"(\d+(?:\.\d+)?)\s*(thousand|million|billion|trillion)\b", re.IGNORECASE)
_SCALE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}


def concluded(reasoning: str, output: str) -> bool | None:
    """Whether the answer in `output` stands in the conclusion of `reasoning`; None where there is no evidence either
    way."""
    said = output.strip()
    if not said or not reasoning.strip():
        return None
    if len(said) <= _SHORT and _stands(said, reasoning[-_TAIL:]):
        return True
    answer = _answer(_plain(said))
    if not answer:
        return None
    return _found(answer, _plain(reasoning))


def _stands(answer: str, text: str) -> bool:
    """Whether `answer` stands in `text` as it is, and not inside a longer number or word."""
    place = text.rfind(answer)
    while place >= 0:
        before, after = text[place - 1 : place], text[place + len(answer) : place + len(answer) + 2]
        inside = (before[-1:].isalnum() or before[-1:] in ".,") and answer[0].isascii() and answer[0].isalnum()
        beyond = (
            answer[-1].isascii()
            and answer[-1].isalnum()
            and (after[:1].isalnum() or (after[:1] in (".", ",") and after[1:2].isdigit()))
        )
        if not (inside and (before.isalnum() or before in ".,")) and not beyond:
            return True
        place = text.rfind(answer, 0, place)
    return False


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("−", "-").replace("\u2009", " ")


def _answer(output: str) -> str:
    """The short answer in an output, or nothing."""
    boxed = [_braced(output, match.end()) for match in _BOXED.finditer(output)]
    if boxed and boxed[-1]:
        return boxed[-1]
    if len(output) <= _SHORT and "\n" not in output and not _SAID.search(output):
        return output
    said = [str(one).strip() for one in _SAID.findall(output)]
    # in a longer text, only a number or an option is surely the answer, and not words about one
    return said[-1] if said and (_NUMBER.search(said[-1]) or _OPTION.fullmatch(said[-1])) else ""


def _braced(text: str, start: int) -> str:
    depth = 1
    for place in range(start, min(len(text), start + 200)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[start:place].strip()
    return ""


def _conclusion(reasoning: str) -> str:
    lines = reasoning.rstrip().split("\n")
    size = sum(map(len, lines[-_LINES:])) + _LINES
    return reasoning[-max(size, _TAIL, len(reasoning) // _SHARE) :]


def _found(answer: str, reasoning: str) -> bool | None:
    folded = _LATEX.sub("", answer).strip().strip(".。").casefold()
    if not folded or folded in _UNSPOKEN or _POWER.search(answer):
        return None
    conclusion = _conclusion(reasoning)
    numbers = _numbers(answer)
    if option := _OPTION.fullmatch(answer.strip()):
        chosen = {one or other for one, other in _OPTION_SAID.findall(conclusion)}
        return None if not chosen else option[1] in {letter.upper() for letter in chosen}
    tight = "".join(folded.split())
    if tight and not numbers and tight in "".join(_LATEX.sub("", conclusion).casefold().split()):
        return True
    if numbers:
        if any(letter in answer for letter in "=^_\\<>") and not _BOXED.search(answer) and len(numbers) > 1:
            return None  # a formula: spelt in too many ways
        there = _numbers(conclusion) | _spelt(conclusion)
        if any(_equal(number, other) for number in numbers for other in there):
            return True
        return None if _POWER.search(conclusion) else False
    spelt = _spelt(answer)
    if spelt and spelt & (_numbers(conclusion) | _spelt(conclusion)):
        return True
    words = set(_WORDS.findall(folded))
    if not words or len(words) > 6:
        return None
    whole = reasoning.casefold()
    if any(word in whole or word[: max(4, len(word) - 3)] in whole for word in words):
        return True  # spelt or inflected otherwise
    if any(ord(letter) > 0x2FFF for letter in folded):
        pairs = {folded[i : i + 2] for i in range(len(folded) - 1)}
        return None if any(pair in whole for pair in pairs if len(pair) == 2) else False
    return False


def _numbers(text: str) -> set[Decimal]:
    found: set[Decimal] = set()
    for whole, above, below in _MIXED.findall(text):
        if int(below):
            found.add(int(whole) + Decimal(int(above)) / int(below))
    for one, two, three, four in _FRACTION.findall(text):
        above, below = (one, two) if one else (three, four)
        if int(below):
            found.add(Decimal(int(above)) / int(below))
    for match in _NUMBER.findall(text):
        try:
            found.add(Decimal(match.replace(",", "").replace(" ", "")))
        except InvalidOperation:
            continue
    found |= {Decimal(number) * _MYRIAD[unit] for number, unit in _MYRIADS.findall(text)}
    found |= {Decimal(number) * _SCALE[unit.lower()] for number, unit in _SCALES.findall(text)}
    return found


def _spelt(text: str) -> set[Decimal]:
    """Numbers written in English words or Chinese numerals."""
    found = {Decimal(_SPELT[word]) for word in re.findall(r"[a-z]+", text.casefold()) if word in _SPELT}
    for run in _KANJI.findall(text):
        total, digit, digits = 0, 0, ""
        for letter in run:
            if letter in _KANJI_DIGIT:
                digit = _KANJI_DIGIT[letter]
                digits += str(digit)
            else:
                total += (digit or 1) * _KANJI_UNIT[letter]
                digit = 0
        found.add(Decimal(total + digit))
        if len(digits) == len(run):
            found.add(Decimal(int(digits)))
    return found


def _equal(one: Decimal, other: Decimal) -> bool:
    """Equal, or equal when the finer one is rounded as the coarser one is, or as a percentage; a sign is often left to
    the words around it."""
    one, other = abs(one), abs(other)
    if one == other or one * 100 == other or other * 100 == one:
        return True
    places = min(-int(one.normalize().as_tuple().exponent), -int(other.normalize().as_tuple().exponent))
    if one == one.to_integral_value() and other == other.to_integral_value():
        return False
    step = Decimal(1).scaleb(-max(places, 0))
    return abs(one - other) < step and max(one, other) >= 1
