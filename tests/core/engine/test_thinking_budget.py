"""The thinking budget with the real splitter: one token is one letter, and the script goes on behind what was given."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.engine.thinking_budget import ThinkingBudget
from core.splitter.splitter import ALPACA, THINK, Markers, Splitter, StartSection

THINK_CLOSING = "\n</think>\n\n"
ALPACA_CLOSING = "\n\n### Response:\n"


def answer(
    script: str, budget: int, markers: Markers = THINK, start: StartSection = "reasoning", closing: str = THINK_CLOSING
) -> tuple[Splitter, ThinkingBudget, str]:
    """The sections of an answer, and all of its text. The script is what the model would write by itself."""
    splitter, watch = Splitter(markers, start), ThinkingBudget(budget, [ord(letter) for letter in closing])
    given_ids, text = deque(watch.begin(start)), ""
    letters = iter(script)
    while True:
        letter = chr(given_ids.popleft()) if given_ids else next(letters, "")
        if not letter:
            break
        text += letter
        splitter.feed(letter)
        given_ids.extend(watch.read(splitter.section, is_whole=not splitter.holds_marker))
    splitter.close()
    return splitter, watch, text


def test_a_long_reasoning_is_closed_and_the_response_follows() -> None:
    splitter, watch, text = answer("abcdefghij", 4)
    assert text == "abcd\n</think>\n\nefghij"
    assert (splitter.reasoning, splitter.response) == ("abcd", "efghij")
    assert (watch.tokens, watch.has_closed) == (4, True)


def test_a_reasoning_within_its_budget_is_left_alone() -> None:
    splitter, watch, text = answer("abc\n</think>\n\nyes", 40)
    assert text == "abc\n</think>\n\nyes"
    assert not watch.has_closed
    assert (splitter.reasoning, splitter.response) == ("abc", "yes")


@pytest.mark.parametrize(
    ("start", "script", "wanted"),
    [
        ("reasoning", "yes", "\n</think>\n\nyes"),
        ("undecided", "<think>yes", "<think>\n</think>\n\nyes"),
        ("undecided", "yes", "yes"),
        ("response", "yes", "yes"),
    ],
)
def test_without_any_budget_there_is_no_reasoning(start: StartSection, script: str, wanted: str) -> None:
    splitter, _, text = answer(script, 0, start=start)
    assert text == wanted
    assert (splitter.reasoning, splitter.response) == ("", "yes")


def test_headings_are_closed_as_their_template_does() -> None:
    splitter, _, text = answer("abcdef", 3, ALPACA, "reasoning", ALPACA_CLOSING)
    assert text == "abc\n\n### Response:\ndef"
    assert (splitter.reasoning, splitter.response) == ("abc", "def")


def test_a_marker_that_is_being_written_is_not_broken_off() -> None:
    assert answer("abc</think>\n\nyes", 6)[2] == "abc</think>\n\nyes"
    assert answer("abc</thunk>yes", 6)[2] == "abc</thu\n</think>\n\nnk>yes"


def test_a_reasoning_that_is_opened_again_is_closed_again() -> None:
    splitter, _, text = answer("<think>abc<think>d", 2, start="undecided")
    assert text == "<think>ab\n</think>\n\nc<think>d"
    assert splitter.reasoning == "ab"
    assert answer("<think>ab<think>cd", 2, start="undecided")[2] == "<think>ab\n</think>\n\n<think>\n</think>\n\ncd"


def test_patience_with_a_broken_character_has_an_end() -> None:
    watch = ThinkingBudget(2, [1])
    watch.begin("reasoning")
    given_at = [count for count in range(1, 60) if watch.read("reasoning", is_whole=False)]
    assert given_at[0] == 2 + 16


@given(st.text("ab \n</think>", max_size=60), st.integers(0, 30))
def test_a_reasoning_never_outgrows_its_budget(script: str, budget: int) -> None:
    assume("<think>" not in script)
    _, watch, text = answer(script, budget)
    assert watch.tokens <= budget + len("</think>")
    assert (text.replace(THINK_CLOSING, "", 1) if watch.has_closed else text) == script
