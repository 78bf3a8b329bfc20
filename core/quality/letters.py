"""What characters a text is made of, counted for thousands of texts at once: scripts, digits, and characters that no
text should hold.

One table gives every code point a class; NumPy looks a whole block up in it. Knows classes, not what they mean for a
row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum, auto
from functools import cache
from typing import Any

import numpy as np

_PIECE = 1 << 20  # characters looked up at once


class Class(IntEnum):
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
    CONTROL = auto()  # C0 but tab and line ends, DEL, C1
    LOST = auto()  # U+FFFD
    HIDDEN = auto()  # zero-width, bidirectional, tags


RANGES: tuple[tuple[Class, str], ...] = (
    (Class.LATIN, "41-5a 61-7a ff21-ff3a ff41-ff5a"),
    (Class.ACCENTED, "c0-d6 d8-f6 f8-24f 1e00-1eff"),
    (Class.KANA, "3041-3096 309d-309f 30a1-30fa 30fc-30ff 31f0-31ff ff66-ff9d"),
    (Class.HAN, "3005 3007 3400-4dbf 4e00-9fff f900-faff 20000-3134f"),
    (Class.HANGUL, "1100-11ff 3131-318e a960-a97c ac00-d7a3"),
    (Class.CYRILLIC, "400-52f"),
    (Class.GREEK, "370-373 376-377 37b-37d 386 388-3ff 1f00-1fff"),
    (Class.ARABIC, "620-64a 66e-6d3 750-77f 8a0-8ff fb50-fdff fe70-fefc"),
    (Class.HEBREW, "5d0-5ea fb1d-fb4f"),
    (Class.DEVANAGARI, "900-963 970-97f"),
    (Class.BENGALI, "980-9e3"),
    (Class.TAMIL, "b80-be5"),
    (Class.TELUGU, "c00-c63"),
    (Class.THAI, "e01-e4e"),
    (Class.DIGIT, "30-39 ff10-ff19"),
    (Class.CONTROL, "0-8 b-c e-1f 7f-9f"),
    (Class.LOST, "fffd"),
    # as `safe_text` shows them; the joiners 200c and 200d stay, for emoji, Persian and Indic scripts need them
    (Class.HIDDEN, "61c 200b 200e-200f 202a-202e 2060-2069 feff fff9-fffb e0000-e007f"),
)
WRITTEN = tuple(kind for kind in Class if Class.LATIN <= kind <= Class.THAI)  # letters of some script


@cache
def table() -> Any:
    """The class of every code point, as uint8."""
    classes = np.zeros(0x110000, np.uint8)
    for kind, ranges in RANGES:
        for one in ranges.split():
            first, _, last = one.partition("-")
            classes[int(first, 16) : int(last or first, 16) + 1] = kind
    return classes


@cache
def _garbled() -> Any:
    """Which code points are found in text that was decoded with a wrong encoding; two of them side by side deserve a
    closer look."""
    import re

    from ftfy.badness import MOJIBAKE_CATEGORIES

    among = re.compile("[" + "".join(MOJIBAKE_CATEGORIES.values()) + "]")
    marks = np.zeros(0x110000, np.bool_)
    for code in range(0x80, 0x3000):
        marks[code] = among.match(chr(code)) is not None
    return marks


def counted(text: str) -> Any:
    """How many characters of each class one text has."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.bincount(table()[codes], minlength=len(Class))


class Letters:
    """Of some texts: counts, an array (texts, classes) of int64; garbled: for each text whether two characters of
    garbled text stand side by side."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.counts = np.zeros((len(texts), len(Class)), np.int64)
        self.garbled = np.zeros(len(texts), np.bool_)
        for owners, pieces in _groups(texts):
            self._count(owners, pieces)

    def _count(self, owners: Any, pieces: list[str]) -> None:
        number = len(Class)
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        codes = np.frombuffer("".join(pieces).encode("utf-32-le", "surrogatepass"), np.uint32)
        place = np.repeat(np.arange(len(pieces), dtype=np.int64) * number, lengths)
        place += table()[codes]
        counts = np.bincount(place, minlength=len(pieces) * number).reshape(len(pieces), number)
        np.add.at(self.counts, owners, counts)
        if codes.size and int(codes.max()) >= 0x80:
            marks = _garbled()[codes]
            pairs = np.flatnonzero(marks[:-1] & marks[1:])
            self.garbled[owners[np.searchsorted(np.cumsum(lengths), pairs, side="right")]] = True

    def of(self, *kinds: Class) -> Any:
        """How many characters of these classes each text has."""
        return self.counts[:, list(kinds)].sum(axis=1)


def _groups(texts: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
    """The texts in groups of at most a million characters, each piece with its text's place; a longer text is cut."""
    owners: list[int] = []
    pieces: list[str] = []
    size = 0
    for place, text in enumerate(texts):
        for first in range(0, len(text), _PIECE):
            piece = text[first : first + _PIECE]
            if size + len(piece) > _PIECE and pieces:
                yield np.array(owners), pieces
                owners, pieces, size = [], [], 0
            owners.append(place)
            pieces.append(piece)
            size += len(piece)
    if pieces:
        yield np.array(owners), pieces
