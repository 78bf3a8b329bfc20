from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.safe_text import safe_line, safe_text

ANYTHING = st.text(st.characters(exclude_categories=()))


@given(ANYTHING)
def test_no_control_leaves(text: str) -> None:
    for character in safe_text(text):
        assert character == "\n" or unicodedata.category(character) not in ("Cc", "Cs")
    assert "\n" not in safe_line(text)


@given(ANYTHING)
def test_safe_text_is_safe_already(text: str) -> None:
    assert safe_text(safe_text(text)) == safe_text(text)


@pytest.mark.parametrize(
    "text", ["reasoning 推論", "a\nb", "👩‍🔬", "می‌خواهم", "é", "[/] [@click=app.quit]('x')", "</think>"]
)
def test_harmless_text_stays(text: str) -> None:
    assert safe_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;AAAA\x07", "␛]52;c;AAAA␇"),
        ("a\x9b31mb", "a�31mb"),
        ("a\r\nb\rc", "a\nb␍c"),
        ("x\x7f", "x␡"),
        ("a\u202eb", "a�b"),
        ("a\u200bb\ufeff", "a�b�"),
        ("a\tb", "a   b"),
        ("\ud800", "�"),
    ],
)
def test_what_a_terminal_acts_on_becomes_visible(text: str, shown: str) -> None:
    assert safe_text(text) == shown


def test_a_line_is_cut_before_it_is_cleaned() -> None:
    assert safe_line("a\n b\tc") == "a b c"
    assert safe_line("x" * 2_000_000, limit=10) == "x" * 10 + "…"
