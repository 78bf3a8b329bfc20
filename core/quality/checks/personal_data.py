"""E-mail addresses and card numbers in texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.base.row import TEXTS
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind
from core.quality.text.code_in_text import looks_like_code, without_code

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_CANDIDATE = r"[\w.+-]@[\w-]+\.\w|[3-6]\d{3}[ -]?\d{4,6}[ -]?\d{4,5}"
_ADDRESS = re.compile(
    r"(?<![\w.+/:@-])[A-Z0-9][\w.+-]{0,63}@(?:[A-Z0-9-]{1,63}\.)+[A-Z]{2,24}(?![\w@-])", re.ASCII | re.IGNORECASE
)
# the lengths and first digits of the usual cards, in groups of four or without a gap
_CARD = re.compile(
    r"(?<![\d.,+=*/×^-])(?<![+=*/×^-] )(?:"
    r"(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|35\d\d|6011|65\d\d)(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?P=gap)\d{4}|"
    r"3[47]\d\d(?P<wide>[ -]?)\d{6}(?P=wide)\d{5})(?![\d.,]?\d)(?!\s*[+=*/×^])"
)
_IS_ABOUT_FORMS = re.compile(
    r"regex|regular expression|valid(?:ate|ation)|\bpars(?:e|ing|er)\b|luhn|smtp|mailto|正規表現|検証|正则|校验",
    re.IGNORECASE,
)

KINDS = (
    FindingKind(
        "personal_data",
        "hint",
        "an e-mail address or a card number",
        "The model may learn it by heart and give it away",
        "Replace it with an invented one, unless it is public or invented already",
    ),
)


def check_personal_data(block: RowBlock, findings: Findings) -> None:
    for column in TEXTS:
        for position in block.positions_matching(column, _CANDIDATE):
            text = block[column][position]
            if has_personal_data(text) and not _IS_ABOUT_FORMS.search(block.request(position)):
                findings.add("personal_data", block.indices[position], column)


def has_personal_data(text: str) -> bool:
    """Whether a text has an e-mail address or the number of a payment card outside of code."""
    prose = without_code(text)
    if looks_like_code(prose):
        return False
    return _ADDRESS.search(prose) is not None or any(is_card_number(found[0]) for found in _CARD.finditer(prose))


def is_card_number(number: str) -> bool:
    """Whether the digits of `number` have the check digit of a payment card: Luhn's algorithm, ISO/IEC 7812-1."""
    digits = [int(digit) for digit in number if digit.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


CHECK = RowCheck(KINDS, lambda context: check_personal_data)
