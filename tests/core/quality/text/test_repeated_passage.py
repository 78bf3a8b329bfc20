"""Loops are found wherever they stand and whatever is repeated; text that only looks repetitive is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.quality.text.repeated_passage import repeated_passage

PROSE = "She sold 48 clips in April. In May she sold half of that, which is 24. Both together are 72 of them. "
SENTENCES = (
    "Wait, let me check that again. ",
    "So the answer is 72.\n",
    "and so on and ",
    "もう一度、最初から確認します。",
    "让我再检查一遍，",
)


@given(st.sampled_from(SENTENCES), st.integers(8, 30), st.integers(0, 20), st.integers(0, 20))
def test_a_loop_is_found_in_the_middle_of_prose(sentence: str, times: int, before: int, after: int) -> None:
    numbered = [PROSE.replace("48", str(n)) for n in range(40)]
    text = "".join(numbered[:before]) + sentence * times + "".join(numbered[20 : 20 + after])
    passage = repeated_passage(text)
    assert passage and len(passage) % len(sentence) == 0 and sentence.strip()[:4] in passage * 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        PROSE,
        "0" * 300,
        "0, 1, " * 60,
        "-" * 300,
        "。" * 300,
        "aaaa" * 100,
        "| one cell | other cell |\n" * 12,
        "```\n" + "the same line of code\n" * 12 + "```",
        "def f():\n    pass\n" + "call the function now\n" * 12,
        "Yes, yes, yes. No, no, no.",
        "Row, row, row your boat. " * 2,
    ],
)
def test_no_loop(text: str) -> None:
    assert repeated_passage(text) == ""


@given(st.text(max_size=300))
def test_any_text_has_a_verdict(text: str) -> None:
    assert repeated_passage(text) in text
