"""How a text ends: judged from prose alone, in any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.quality.text.sentence_ends import TextEnd, text_end

ENDS = (
    ("", TextEnd.UNKNOWN),
    ("72", TextEnd.UNKNOWN),
    ("So she sold 72 clips in all.", TextEnd.ENDED),
    ("“How many are left?” (in all)", TextEnd.UNKNOWN),
    ("So she sold 72 clips in all.)", TextEnd.ENDED),
    ("全部で72個です。」", TextEnd.ENDED),
    ("一共是72个！", TextEnd.ENDED),
    ("So she sold 72 clips in all", TextEnd.OPEN),
    ("So in all she sold 48 + 24 = 72", TextEnd.OPEN),
    ("弟にあげたので残りは9個です", TextEnd.OPEN),
    ("加起来一共是十元八角", TextEnd.OPEN),
    ("So she sold 72 clips,", TextEnd.BROKEN),
    ("So in all she sold 48 + 24 =", TextEnd.BROKEN),
    ("So she sold all of the", TextEnd.BROKEN),
    ("She sold half of them to her friends and Nata", TextEnd.BROKEN),
    ("もらったあとは12個で、弟にあげた数を", TextEnd.BROKEN),
    ("加起来一共是十元八角，因为", TextEnd.BROKEN),
    ("- the first item of this list", TextEnd.UNKNOWN),
    ("B) none of these two numbers", TextEnd.UNKNOWN),
    ("# A heading of some words", TextEnd.UNKNOWN),
    ("It is on the page https://example.com/a/b", TextEnd.UNKNOWN),
    ("So the answer is now in the box: $x = 3$", TextEnd.UNKNOWN),
    ("It is what they all want. 72", TextEnd.UNKNOWN),
    (r"So she sold 72 clips in all.\n", TextEnd.ENDED),
    ("So she sold 72 clips in all.<br/></p>&nbsp;", TextEnd.ENDED),
)


@pytest.mark.parametrize(("text", "end"), ENDS)
def test_the_end_of_a_text(text: str, end: TextEnd) -> None:
    assert text_end(text, "Natalia sold clips to her friends.") is end


@given(st.text(max_size=400), st.text(max_size=100))
def test_any_text_has_an_end(text: str, other: str) -> None:
    assert text_end(text, other) in TextEnd


@given(st.text("abcde ABC 12.,\n", max_size=200))
def test_a_full_stop_ends_any_text(text: str) -> None:
    assert text_end(text + "So this is it.") is TextEnd.ENDED
