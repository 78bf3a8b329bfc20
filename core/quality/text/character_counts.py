"""Counts the characters of each class in thousands of texts at once.

One table has the class of every code point; NumPy looks up a complete block in it. Knows classes, not what they mean
for a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from core.quality.text.character_classes import CLASS_RANGES, CharacterClass

_CODE_POINTS = 0x110000
_MOST_CHARACTERS = 1 << 20  # looked up at once


@cache
def _class_table() -> Any:
    """The class of every code point, uint8, shape (code points,)."""
    classes = np.zeros(_CODE_POINTS, np.uint8)
    for character_class, ranges in CLASS_RANGES:
        for first, last in ranges:
            classes[first : last + 1] = character_class
    return classes


@cache
def _mojibake_table() -> Any:
    """Which code points occur in text that was decoded with a wrong encoding, bool, shape (code points,)."""
    from ftfy.badness import MOJIBAKE_CATEGORIES

    category = re.compile("[" + "".join(MOJIBAKE_CATEGORIES.values()) + "]")
    occurs = np.zeros(_CODE_POINTS, np.bool_)
    for code in range(0x80, 0x3000):
        occurs[code] = category.match(chr(code)) is not None
    return occurs


def _code_points(text: str) -> Any:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def count_characters(text: str) -> Any:
    """How many characters of each class one text has, int64, shape (classes,)."""
    return np.bincount(_class_table()[_code_points(text)], minlength=len(CharacterClass))


class CharacterCounts:
    """The character counts of some texts.

    counts: characters of each class, int64, shape (texts, classes). may_be_garbled: whether two characters of mojibake
    are next to each other, so that the text needs a closer check, bool, shape (texts,).
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.counts = np.zeros((len(texts), len(CharacterClass)), np.int64)
        self.may_be_garbled = np.zeros(len(texts), np.bool_)
        for positions, pieces in _groups_of_pieces(texts):
            self._count(positions, pieces)

    def _count(self, positions: Any, pieces: list[str]) -> None:
        classes = len(CharacterClass)
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        codes = _code_points("".join(pieces))
        slots = np.repeat(np.arange(len(pieces), dtype=np.int64) * classes, lengths)
        slots += _class_table()[codes]
        counts = np.bincount(slots, minlength=len(pieces) * classes).reshape(len(pieces), classes)
        np.add.at(self.counts, positions, counts)
        if codes.size and int(codes.max()) >= 0x80:
            suspicious = _mojibake_table()[codes]
            pairs = np.flatnonzero(suspicious[:-1] & suspicious[1:])
            pieces_of_pairs = np.searchsorted(np.cumsum(lengths), pairs, side="right")
            self.may_be_garbled[positions[pieces_of_pairs]] = True

    def positions_with(self, character_class: CharacterClass) -> list[int]:
        """The positions of the texts that have a character of this class, ascending."""
        positions: list[int] = self.counts[:, character_class].nonzero()[0].tolist()
        return positions

    def garbled_candidates(self) -> list[int]:
        """The positions of the texts that may be garbled, ascending."""
        positions: list[int] = self.may_be_garbled.nonzero()[0].tolist()
        return positions


def _groups_of_pieces(texts: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
    """The texts in groups of at most a million characters, each piece with the position of its text; a longer text is
    cut into pieces."""
    positions: list[int] = []
    pieces: list[str] = []
    size = 0
    for position, text in enumerate(texts):
        for first in range(0, len(text), _MOST_CHARACTERS):
            piece = text[first : first + _MOST_CHARACTERS]
            if size + len(piece) > _MOST_CHARACTERS and pieces:
                yield np.array(positions), pieces
                positions, pieces, size = [], [], 0
            positions.append(position)
            pieces.append(piece)
            size += len(piece)
    if pieces:
        yield np.array(positions), pieces
