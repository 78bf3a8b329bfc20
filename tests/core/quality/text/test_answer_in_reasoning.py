"""Whether reasoning arrives at the answer: found in any spelling, missed where it is not there, silent where nobody can
tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.quality.text.answer_in_reasoning import reaches_answer


@pytest.mark.parametrize(
    ("reasoning", "output"),
    [
        ("48 + 24 = 72 clips.", "72"),
        ("She pays $1,000.", "1000"),
        ("The total is 1000.", "$1,000"),
        ("so 3.0 metres", "3"),
        ("so 3 metres", "3.00"),
        ("合計は７２個。", "72"),
        ("合計は72個。", "７２"),
        ("答えは三十六。", "36"),
        ("一共有十二个。", "12"),
        ("共一百二十三元", "123"),
        ("that makes twelve", "12"),
        ("x = \\frac{3}{4}", "0.75"),
        ("half of it, 1/2", "0.5"),
        ("a share of 0.5", "50%"),
        ("So the answer is \\boxed{5}.", "We find that the result is \\boxed{5}."),
        ("3 + 4 = 7", "Adding the two gives us something.\n\n#### 7"),
        ("10 / 3 = 3.3333333", "3.33"),
        ("In all $100 000.", "100,000"),
        ("the population is 1.2 million", "1,200,000"),
        ("全部で3万人。", "30000"),
        ("日本の首都は東京です。", "東京"),
        ("The capital is Paris.", "Paris"),
        ("It is the (B) option.", "B"),
        ("24 apples", "24 apples in all"),
        ("he owes -5", "5"),
        ("A is too small and B too large. The answer is (C).", "C"),
        ("A项错误；B项正确。故选B。", "B"),
        ("よって正解はD。", "D"),
        ("Final answer: \\boxed{C}", "C"),
        ("So it is \\boxed{12}.\n" + "draw((0,0)--(3,4)); label(O, north);\n" * 40, "12"),
    ],
)
def test_found(reasoning: str, output: str) -> None:
    assert reaches_answer(reasoning, output) is True


@pytest.mark.parametrize(
    ("reasoning", "output"),
    [
        ("48 + 24 = 72 clips.", "73"),
        ("48 + 24 = 172 clips.", "72"),
        ("48 + 24 = 73.5", "72"),
        ("合計は72個。", "73"),
        ("答えは三十六。", "35"),
        ("it is \\boxed{4}", "so \\boxed{5}"),
        ("The answer is (B).", "A"),
        ("A项错误；B项正确。故选B。", "A"),
        ("よって正解はD。", "C"),
        ("Final answer: \\boxed{C}", "D"),
        ("日本の首都は東京です。", "大阪"),
        ("The capital is Paris.", "London"),
        ("First 5 apples.\n" + "Then he thinks about something else for long.\n" * 40 + "So 9.", "5"),
    ],
)
def test_missed(reasoning: str, output: str) -> None:
    assert reaches_answer(reasoning, output) is False


@pytest.mark.parametrize(
    ("reasoning", "output"),
    [
        ("", "72"),
        ("so 72", ""),
        ("They are the same length.", "Yes"),
        ("二つは等しい。", "はい"),
        ("Think of autumn.", "Leaves fall\nslowly down\nand the answer is love"),
        ("so x is three halves", "x^2 + 3x = 1"),
        ("We pick the second one", "C"),
        ("设事件A，则 P(A)=0.3，与第二项一致", "B"),
        ("With P(A) and f (B) it is the second one.", "C"),
        ("so (A) = 3 holds", "B"),
        ("(A) is too small and (B) too large, so the third one.", "C"),
        ("The answer is a prime number, the second one.", "B"),
        ("The answer is not what I expected, it is the second one.", "B"),
        ("Option A fails.", "C"),
        ("about 3 * 10^5", "299792"),
        (
            "Compare both.",
            "A long answer that explains in many words what was found and does not state a number anywhere, nor a "
            "name.",
        ),
    ],
)
def test_silent_without_evidence(reasoning: str, output: str) -> None:
    assert reaches_answer(reasoning, output) is None


@given(
    st.integers(0, 10**9),
    st.sampled_from(["{}", "{:,}", "{}.0", "${}", "{} km", "\\boxed{{{}}}"]),
    st.sampled_from(["so {}.", "合計は{:,}円です", "= {}"]),
)
def test_a_number_is_found_in_any_spelling(number: int, answer: str, reasoning: str) -> None:
    assert reaches_answer(reasoning.format(number), answer.format(number)) is True


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_has_a_verdict(reasoning: str, output: str) -> None:
    assert reaches_answer(reasoning, output) in (True, False, None)


@pytest.mark.parametrize("answer", ["72", "no", "Paris"])
def test_an_answer_at_the_very_beginning_is_found(answer: str) -> None:
    assert reaches_answer(f"{answer} is the answer.", answer) is True
