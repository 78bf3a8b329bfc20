"""Checks whether reasoning arrives at the answer: looks for the output's answer near the end of the reasoning.

Pure, one row at a time. Returns None in doubt: an output without a short answer, yes and no, formulas, and names in
another spelling are no evidence.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

from core.base.row import is_blank

_SHORT = 60  # characters of an output that is nothing but the answer, at most
# The conclusion: the last lines, the last characters or the last share of the text, whichever is longest.
_LAST_LINES, _LAST_CHARACTERS, _LAST_SHARE = 2, 250, 3
_MOST_WORDS = 6  # of an answer that is looked for word by word
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_ANNOUNCED = re.compile(
    r"(?:####(?=[^\n]*\s*\Z)|\b(?:final |correct |right )?answer(?:\s+is\b|\s*:)\s*:?|"
    r"(?:答え|解答|正解|最終的な答え)(?:は|：|:|=)|"
    r"(?:答案|结果|結果)(?:是|为|為|：|:)|答[：:])[ \t]*([^\n]{1,80})",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<![\w.])-?(?:\d{1,3}(?:[, ]\d{3})+(?!\d)|\d+)(?:\.\d+)?(?!\w)|"
    r"(?<![\d.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|-?\.\d+"
)
_FRACTION = re.compile(r"(-?\d+)\s*/\s*(\d+)|\\[dt]?frac\s*\{(-?\d+)\}\s*\{(\d+)\}")
_MIXED = re.compile(r"(\d+)\s+(\d+)/(\d+)")
_LATEX = re.compile(r"\\(?:text|mathrm|mathbf|textbf|left|right|displaystyle|,|!|;|\s)|\\[()\[\]]|[${}]|\*\*")
_POWER = re.compile(r"10\s*(?:\^|\*\*)|[⁰¹²³⁴-⁹]|\d[eE][+-]?\d|!")
_OPTION = re.compile(r"\(?([A-J])\)?[.:]?")
# no option: a bracket behind a letter, as in P(A) or P (A), and one that is a part of a formula, as in (A) = 3
_BRACKETED_OPTION = re.compile(r"(?<![^\W_])(?<!\b[A-Za-z] )(?<![)}\]'’^])\(([A-J])\)(?!\s*[=+<>|∪∩×^*/≤≥])")
_CHOSEN_OPTION = re.compile(
    r"(?:(?i:\b(?:answer|option|choice)\b)|答え|正解|答案|选项|選択肢|故选|应选|选择|选)[^A-Za-z\n]{0,12}"
    r"(?:(?i:is)\s+)?(?:(?i:option|choice)\s+)?[(（*]{0,3}([A-J])(?![A-Za-z'’(])(?! [a-z])"
)
_WORDS = re.compile(r"[^\W\d_]{3,}|[\u3040-\u9fff\uac00-\ud7af]{2,}")
_NOT_SPELLED_OUT = frozenset(  # answers that reasoning need not contain
    {"yes", "no", "true", "false", "correct", "incorrect", "right", "wrong", "none", "unknown", "undefined"}
    | {"positive", "negative", "neutral", "はい", "いいえ", "正しい", "誤り", "真", "偽"}
    | {"是", "否", "对", "错", "對", "錯", "正确", "错误"}
)
_IS_SAID_TO_SOMEONE = re.compile(r"\b(?:i|you|we|sorry|please|thanks?)\b|申し訳|すみません|抱歉|对不起|請|请")
_TENS = "thirty forty fifty sixty seventy eighty ninety hundred"
_NUMBER_NAMES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_NUMBER_WORDS = {  # words for numbers in reasoning
    **{word: value for value, word in enumerate(_NUMBER_NAMES.split())},
    **{word: 10 * tens for tens, word in enumerate(_TENS.split(), 3)},
    **dict.fromkeys(("no", "none", "nothing"), 0),
    **dict.fromkeys(("once", "single", "a", "an"), 1),
    **dict.fromkeys(("twice", "double", "both", "pair"), 2),
    **dict.fromkeys(("thrice", "triple"), 3),
    "dozen": 12,
}
_KANJI_DIGIT = {digit: value for value, digit in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "兩": 2}
_KANJI_UNIT = {"十": 10, "百": 100, "千": 1000}
_KANJI = re.compile("[〇零一二三四五六七八九十百千两兩]+")
_MYRIADS = re.compile(r"(\d+(?:\.\d+)?)\s*([万億兆萬亿])")
_MYRIAD = {"万": 10**4, "萬": 10**4, "億": 10**8, "亿": 10**8, "兆": 10**12}
_SCALES = re.compile(r"(\d+(?:\.\d+)?)\s*(thousand|million|billion|trillion)\b", re.IGNORECASE)
_SCALE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}


def reaches_answer(reasoning: str, output: str) -> bool | None:
    """Whether the conclusion of `reasoning` contains the answer in `output`; None where there is no evidence either
    way."""
    stripped = output.strip()
    if not stripped or is_blank(reasoning):
        return None
    if len(stripped) <= _SHORT and _contains_answer(reasoning[-_LAST_CHARACTERS:], stripped):
        return True
    answer = short_answer(normalised_answer(stripped))
    if not answer:
        return None
    return _concludes(normalised_answer(reasoning), answer)


def _contains_answer(text: str, answer: str) -> bool:
    """Whether `text` contains exactly `answer`, and not as part of a longer number or word."""
    start = text.rfind(answer)
    while start >= 0:
        end = start + len(answer)
        if not _continues_before(text[:start], answer) and not _continues_after(text[end : end + 2], answer):
            return True
        start = text.rfind(answer, 0, start)
    return False


def _continues_before(before: str, answer: str) -> bool:
    return _is_ascii_word(answer[0]) and (before[-1:].isalnum() or before[-1:] in (".", ","))


def _continues_after(after: str, answer: str) -> bool:
    is_decimal = after[:1] in (".", ",") and after[1:2].isdigit()
    return _is_ascii_word(answer[-1]) and (after[:1].isalnum() or is_decimal)


def _is_ascii_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def normalised_answer(text: str) -> str:
    """The text in the form in which answers are looked for: NFKC, with one kind of minus sign and space."""
    return unicodedata.normalize("NFKC", text).replace("−", "-").replace("\u2009", " ")


def short_answer(output: str) -> str:
    """The short answer in an output that is normalised already, or nothing."""
    boxed = [_in_braces(output, match.end()) for match in _BOXED.finditer(output)]
    if boxed and boxed[-1]:
        return boxed[-1]
    announced = [str(answer).strip() for answer in _ANNOUNCED.findall(output)]
    if len(output) <= _SHORT and "\n" not in output and not announced:
        return output
    # in a longer text, only a number or an option is certainly the answer
    if announced and (_NUMBER.search(announced[-1]) or _OPTION.fullmatch(announced[-1])):
        return announced[-1]
    return ""


def _in_braces(text: str, start: int) -> str:
    """The text from `start` to the brace that closes it, or nothing where that is far."""
    depth = 1
    for position in range(start, min(len(text), start + 200)):
        depth += (text[position] == "{") - (text[position] == "}")
        if depth == 0:
            return text[start:position].strip()
    return ""


def _conclusion(reasoning: str) -> str:
    lines = reasoning.rstrip().split("\n")
    size = sum(map(len, lines[-_LAST_LINES:])) + _LAST_LINES
    start = max(0, len(reasoning) - max(size, _LAST_CHARACTERS, len(reasoning) // _LAST_SHARE))
    box = reasoning.rfind(r"\boxed")  # a figure or a long sentence may follow it
    return reasoning[start if box < 0 else min(start, box) :]


def _concludes(reasoning: str, answer: str) -> bool | None:
    folded = _LATEX.sub("", answer).strip().strip(".。").casefold()
    if not folded or folded in _NOT_SPELLED_OUT or _POWER.search(answer):
        return None
    conclusion = _conclusion(reasoning)
    if option := _OPTION.fullmatch(answer.strip()):
        return _chooses_option(conclusion, option[1])
    numbers = numbers_of(answer)
    if numbers:
        return _contains_number(conclusion, answer, numbers)
    without_spaces = "".join(folded.split())
    if without_spaces and without_spaces in "".join(_LATEX.sub("", conclusion).casefold().split()):
        return True
    spelled = _spelled_numbers(answer)
    if spelled and spelled & (numbers_of(conclusion) | _spelled_numbers(conclusion)):
        return True
    return _contains_words(reasoning.casefold(), folded)


def _chooses_option(conclusion: str, option: str) -> bool | None:
    """Whether the conclusion chooses the option; None where it chooses none, or discusses several without a word for
    the choice."""
    boxes = [_in_braces(conclusion, match.end()).strip("() ") for match in _BOXED.finditer(conclusion)]
    if boxes and _OPTION.fullmatch(boxes[-1]):
        return option in boxes
    alone = re.compile(rf"(?<![A-Za-z]){option}(?![A-Za-z])")
    chosen = list(_CHOSEN_OPTION.finditer(conclusion))
    if chosen:
        if any(choice[1] == option for choice in chosen):
            return True
        return None if alone.search(conclusion, chosen[-1].end()) else False
    bracketed = set(_BRACKETED_OPTION.findall(conclusion))
    if option in bracketed:
        return True
    return None if len(bracketed) != 1 or alone.search(conclusion) else False


def _contains_number(conclusion: str, answer: str, numbers: set[Decimal]) -> bool | None:
    is_formula = any(character in answer for character in "=^_\\<>") and not _BOXED.search(answer)
    if is_formula and len(numbers) > 1:
        return None  # a formula has too many spellings
    concluded = numbers_of(conclusion) | _spelled_numbers(conclusion)
    if any(_are_equal(number, other) for number in numbers for other in concluded):
        return True
    return None if _POWER.search(conclusion) else False


def _contains_words(reasoning: str, answer: str) -> bool | None:
    """Whether the reasoning contains a word of the answer, or one with the same beginning. Both are case folded."""
    words = set(_WORDS.findall(answer))
    if not words or len(words) > _MOST_WORDS:
        return None
    if _IS_SAID_TO_SOMEONE.search(answer):
        return None
    if any(word in reasoning or word[: max(4, len(word) - 3)] in reasoning for word in words):
        return True
    if any(ord(character) > 0x2FFF for character in answer):
        pairs = (answer[i : i + 2] for i in range(len(answer) - 1))
        return None if any(pair in reasoning for pair in pairs) else False
    return False


def numbers_of(text: str) -> set[Decimal]:
    """The numbers in digits: decimals, fractions, and numbers with a unit such as million or 万."""
    numbers: set[Decimal] = set()
    for integer, above, below in _MIXED.findall(text):
        if int(below):
            numbers.add(int(integer) + Decimal(int(above)) / int(below))
    for above, below, latex_above, latex_below in _FRACTION.findall(text):
        numerator, denominator = (above, below) if above else (latex_above, latex_below)
        if int(denominator):
            numbers.add(Decimal(int(numerator)) / int(denominator))
    for number in _NUMBER.findall(text):
        try:
            numbers.add(Decimal(number.replace(",", "").replace(" ", "")))
        except InvalidOperation:
            continue
    numbers |= {Decimal(number) * _MYRIAD[unit] for number, unit in _MYRIADS.findall(text)}
    numbers |= {Decimal(number) * _SCALE[unit.lower()] for number, unit in _SCALES.findall(text)}
    return numbers


def _spelled_numbers(text: str) -> set[Decimal]:
    """Numbers written in English words or Chinese numerals."""
    words = re.findall(r"[a-z]+", text.casefold())
    numbers = {Decimal(_NUMBER_WORDS[word]) for word in words if word in _NUMBER_WORDS}
    for numeral in _KANJI.findall(text):
        total, digit, digits = 0, 0, ""
        for character in numeral:
            if character in _KANJI_DIGIT:
                digit = _KANJI_DIGIT[character]
                digits += str(digit)
            else:
                total += (digit or 1) * _KANJI_UNIT[character]
                digit = 0
        numbers.add(Decimal(total + digit))
        if len(digits) == len(numeral):
            numbers.add(Decimal(int(digits)))
    return numbers


def _are_equal(number: Decimal, other: Decimal) -> bool:
    """Whether two numbers are equal, also after rounding the more precise one like the other, or as a percentage. The
    sign is ignored, since the words around a number often express it."""
    number, other = abs(number), abs(other)
    if number == other or number * 100 == other or other * 100 == number:
        return True
    if number == number.to_integral_value() and other == other.to_integral_value():
        return False
    places = min(-int(number.normalize().as_tuple().exponent), -int(other.normalize().as_tuple().exponent))
    step = Decimal(1).scaleb(-max(places, 0))
    return abs(number - other) < step and max(number, other) >= 1
