"""Normalised questions: their forms without numbers, and what one other word is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.quality.text.comparable_text import (
    differ_in_one_word,
    normalise_question,
    numbers_in_order,
    without_numbers,
)

ENGLISH = "mina has 3 red clips and twice as many blue ones, so how many has she?"
CHINESE = "小明在文具店买了六支铅笔和两本练习册，一共要付多少钱？"


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (ENGLISH, ENGLISH.replace("3", "1000")),
        (ENGLISH, ENGLISH.replace("twice", "thrice")),
        (CHINESE, CHINESE.replace("六", "十二")),
    ],
)
def test_other_numbers_leave_the_form(text: str, other: str) -> None:
    assert without_numbers(text) == without_numbers(other)
    assert numbers_in_order(text) != numbers_in_order(other)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(["she has {} clips", "全部で{}個", "x{}y"]))
def test_any_number_leaves_the_form(number: int, other: int, form: str) -> None:
    assert without_numbers(form.format(number)) == without_numbers(form.format(other)) == form.format(0)


@pytest.mark.parametrize(
    ("text", "other", "differ"),
    [
        (ENGLISH, ENGLISH, False),
        (ENGLISH, ENGLISH.replace("mina", "ken"), True),
        (ENGLISH, ENGLISH.replace("she?", "ken?"), True),
        (ENGLISH, ENGLISH.replace("mina", "ken").replace("red", "green"), False),
        (ENGLISH, ENGLISH + " now", False),
        ("what is the capital of france?", "what is the capital of spain?", False),
        (CHINESE, CHINESE.replace("小明", "王老师"), True),
        (CHINESE, CHINESE.replace("小明", "王").replace("铅笔", "钢笔"), False),
        (CHINESE, ENGLISH, False),
    ],
)
def test_one_other_word(text: str, other: str, differ: bool) -> None:
    assert differ_in_one_word(text, other) is differ
    assert differ_in_one_word(other, text) is differ


def test_earlier_turns_belong_to_the_question() -> None:
    assert normalise_question("And now?", "", "[1]") != normalise_question("And now?", "", "[2]")
    assert normalise_question("A  b", "C") == "a b c"
