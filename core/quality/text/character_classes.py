"""Classes of characters: scripts, digits, and characters that do not belong in a text. Pure; imports nothing heavy."""

from __future__ import annotations

from enum import IntEnum, auto

from core.base import characters
from core.base.characters import Ranges


class CharacterClass(IntEnum):
    """The class of a code point."""

    OTHER = 0
    LATIN = auto()
    ACCENTED = auto()  # Latin letters beyond ASCII
    KANA = auto()
    HAN = auto()
    HANGUL = auto()
    CYRILLIC = auto()
    GREEK = auto()
    ARABIC = auto()
    HEBREW = auto()
    DEVANAGARI = auto()
    BENGALI = auto()
    TAMIL = auto()
    TELUGU = auto()
    THAI = auto()
    DIGIT = auto()
    CONTROL = auto()
    REPLACEMENT = auto()
    HIDDEN = auto()


def _ranges(text: str) -> Ranges:
    pairs = (word.partition("-") for word in text.split())
    return tuple((int(first, 16), int(last or first, 16)) for first, _, last in pairs)


CLASS_RANGES: tuple[tuple[CharacterClass, Ranges], ...] = (
    (CharacterClass.LATIN, _ranges("41-5a 61-7a ff21-ff3a ff41-ff5a")),
    (CharacterClass.ACCENTED, _ranges("c0-d6 d8-f6 f8-24f 1e00-1eff")),
    (CharacterClass.KANA, _ranges("3041-3096 309d-309f 30a1-30fa 30fc-30ff 31f0-31ff ff66-ff9d")),
    (CharacterClass.HAN, _ranges("3005 3007 3400-4dbf 4e00-9fff f900-faff 20000-3134f")),
    (CharacterClass.HANGUL, _ranges("1100-11ff 3131-318e a960-a97c ac00-d7a3")),
    (CharacterClass.CYRILLIC, _ranges("400-52f")),
    (CharacterClass.GREEK, _ranges("370-373 376-377 37b-37d 386 388-3ff 1f00-1fff")),
    (CharacterClass.ARABIC, _ranges("620-64a 66e-6d3 750-77f 8a0-8ff fb50-fdff fe70-fefc")),
    (CharacterClass.HEBREW, _ranges("5d0-5ea fb1d-fb4f")),
    (CharacterClass.DEVANAGARI, _ranges("900-963 970-97f")),
    (CharacterClass.BENGALI, _ranges("980-9e3")),
    (CharacterClass.TAMIL, _ranges("b80-be5")),
    (CharacterClass.TELUGU, _ranges("c00-c63")),
    (CharacterClass.THAI, _ranges("e01-e4e")),
    (CharacterClass.DIGIT, _ranges("30-39 ff10-ff19")),
    (CharacterClass.CONTROL, characters.CONTROLS),
    (CharacterClass.REPLACEMENT, _ranges("fffd")),
    (CharacterClass.HIDDEN, characters.HIDDEN),
)
"""The code points of each class except OTHER; no code point is in two."""

SCRIPT_CLASSES = tuple(script for script in CharacterClass if CharacterClass.LATIN <= script <= CharacterClass.THAI)
"""The classes of letters, one for each script."""
