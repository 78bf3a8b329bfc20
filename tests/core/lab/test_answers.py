from __future__ import annotations

import pytest

from core.lab.answers import is_exact_match, normalised_answer


@pytest.mark.parametrize(
    "text", ["1200", " 1,200. ", "１２００", "＄1,200", "1200 dollars", "1,200円", "¥1200。", "1200 元"]
)
def test_the_same_number(text: str) -> None:
    assert normalised_answer(text) == "1200" and is_exact_match(text, "1200")


@pytest.mark.parametrize(
    "text, expected", [("Yes.", "yes"), ("monday", "Monday"), ("木曜日。", "木曜日"), ("15:20", "15:20")]
)
def test_the_same_word(text: str, expected: str) -> None:
    assert is_exact_match(text, expected)


@pytest.mark.parametrize(
    "text, expected",
    [("", ""), ("12", "1200"), ("The answer is 42", "42"), ("1,20", "120"), ("4.2", "42"), ("-5", "5"), ("no", "yes")],
)
def test_another_answer(text: str, expected: str) -> None:
    assert not is_exact_match(text, expected)
