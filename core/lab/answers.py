"""Compares answers after normalising case, spacing, digits and currency. Knows only texts."""

from __future__ import annotations

import re
import unicodedata

_NUMBER = r"(-?\d+(?:\.\d+)?)"


def normalised_answer(text: str) -> str:
    """The normal form of an answer: NFKC (full-width digits become ASCII), lower case, one space for any white space,
    without thousands separators, a currency before or after a number, or full stops at the end. `＄1,200.` and
    `1200 dollars` both become `1200`."""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text).rstrip(".。 ")
    text = re.sub(rf"^[$€£¥] ?{_NUMBER}$", r"\1", text)
    return re.sub(rf"^{_NUMBER} ?(?:[$€£¥円元]|dollars?|euros?|pounds?|yen|yuan)$", r"\1", text)


def is_exact_match(response: str, expected: str) -> bool:
    """Whether the complete response equals the expected one, both normalised. A sentence that contains the answer does
    not match."""
    return bool(response.strip()) and normalised_answer(response) == normalised_answer(expected)
