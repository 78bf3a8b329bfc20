"""Hidden characters are found and removed, except where a text needs them."""

from __future__ import annotations

import pytest

from core.quality.checks.odd_characters import hides_text, remove_controls, remove_hidden

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    ("text", "hides"), [("a\u200bb", True), (ENGLAND, False), (f"{ENGLAND}\u202e", True), ("a\U000e0041", True)]
)
def test_the_tags_of_a_flag_hide_nothing(text: str, hides: bool) -> None:
    assert hides_text(text) is hides


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("a\u200bb\ufeff", "ab"),
        ("a\u202eb", "ab"),
        ("a\U000e0041", "a"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        (f"{ENGLAND}\u200b", f"{ENGLAND}\u200b"),
        ("\u200fשלום", "\u200fשלום"),
    ],
)
def test_hidden_characters_are_removed_where_no_text_needs_them(text: str, after: str) -> None:
    assert remove_hidden(text) == after


def test_white_space_is_no_control_character() -> None:
    assert remove_controls("a\tb\r\nc\x00\x7f") == "a\tb\r\nc"
