"""Patterns for searching a text in any case; every row store uses them.

A letter matches itself and its lower, upper and title form, where these are one character.
"""

from __future__ import annotations

import re
from collections.abc import Callable

PREFIX_LENGTH = 200  # characters of a text in an RE2 pattern; its hits are then checked for the complete text


def case_variants(character: str) -> list[str]:
    """The characters that match `character`, itself first."""
    forms = (character, character.lower(), character.upper(), character.title())
    return list(dict.fromkeys(form for form in forms if len(form) == 1))


def python_pattern(text: str) -> re.Pattern[str]:
    """A pattern of Python's `re` for all of `text`."""
    return re.compile("".join(_character_class(case_variants(character), re.escape) for character in text))


def re2_patterns(text: str) -> tuple[str, str]:
    """Two RE2 patterns for the first `PREFIX_LENGTH` characters of `text`: a fast one that may match too much, and the
    exact one.

    RE2 is fastest when it searches for a literal in any case, but its rule treats the Kelvin sign as a k and the long s
    as an s.
    """
    prefix = text[:PREFIX_LENGTH]
    exact = "".join(_character_class(case_variants(character), _hex_escape) for character in prefix)
    if not prefix.isascii():
        return exact, exact
    fast = "(?i)" + "".join(map(_hex_escape, prefix))
    return fast, exact if set(prefix) & set("kKsS") else fast


def _character_class(forms: list[str], escape: Callable[[str], str]) -> str:
    return escape(forms[0]) if len(forms) == 1 else "[" + "".join(map(escape, forms)) + "]"


def _hex_escape(character: str) -> str:
    return character if character.isalnum() else f"\\x{{{ord(character):x}}}"
