"""The table of unsafe characters, and everything that is made of it."""

from __future__ import annotations

import re
import sys
from itertools import pairwise

import pytest

from core.base import characters
from core.base.characters import Ranges, character_class

EVERYTHING = "".join(map(chr, range(sys.maxunicode + 1)))


def members(pattern: str) -> set[int]:
    return {ord(character) for character in re.findall(pattern, EVERYTHING)}


@pytest.mark.parametrize(
    ("ranges", "pattern"),
    [
        (characters.CONTROLS, "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"),
        (
            characters.HIDDEN,
            "[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]",
        ),
        (
            characters.UNSAFE,
            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff"
            "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]",
        ),
        (
            characters.RIGHT_TO_LEFT,
            "[\u0590-\u05ff\u0600-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff"
            "\U0001e800-\U0001efff]",
        ),
    ],
)
def test_the_members_of_each_class(ranges: Ranges, pattern: str) -> None:
    assert members(character_class(ranges)) == members(pattern)


def test_classes_do_not_overlap() -> None:
    classes = (
        characters.CONTROLS,
        characters.CARRIAGE_RETURN,
        characters.REORDERING,
        characters.ZERO_WIDTH,
        characters.TAGS,
        characters.LINE_SEPARATORS,
        characters.SURROGATES,
    )
    ranges = sorted(one for ranges in classes for one in ranges)
    assert all(last < first for (_, last), (first, _) in pairwise(ranges))
    assert sorted(characters.UNSAFE) == ranges


def test_what_ordinary_text_needs_is_safe() -> None:
    needed = "\t\n\u200c\u200d" + characters.REPLACEMENT + characters.BLACK_FLAG
    assert not re.search(character_class(characters.UNSAFE), needed)
