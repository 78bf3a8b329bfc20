"""Stop strings against `str.find` on the whole text, at random splits."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.stop_strings import StopStrings

TEXTS = st.text("abA。\n", max_size=40)
STRINGS = st.lists(st.text("abA。\n", min_size=1, max_size=6), max_size=5)


def whole(text: str, strings: list[str], include: bool) -> tuple[str, str]:
    """The stopped text and its stop string, by `str.find`."""
    found = [(text.find(string) + len(string), text.find(string), string) for string in strings if string in text]
    if not found:
        return text, ""
    end, begin, string = min(found)
    return text[: end if include else begin], string


@given(TEXTS, STRINGS, st.booleans(), st.lists(st.integers(0, 40), max_size=12))
def test_any_split_gives_what_find_finds(text: str, strings: list[str], include: bool, cuts: list[int]) -> None:
    stops = StopStrings(strings, include=include)
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    told = "".join(stops.feed(text[begin:end]) for begin, end in pairwise(edges))
    assert (told + stops.close(), stops.found) == whole(text, strings, include)
    assert stops.feed("more") == ("" if stops.found else "more")


@given(TEXTS, STRINGS)
def test_only_what_may_become_a_stop_string_is_held_back(text: str, strings: list[str]) -> None:
    stops, told = StopStrings(strings), ""
    for length, letter in enumerate(text, 1):
        told += stops.feed(letter)
        if stops.found:
            return
        held = text[len(told) : length]
        assert told == text[: len(told)]
        assert not held or any(string.startswith(held) and string != held for string in strings)
        shown = range(len(told))
        assert not any(string.startswith(text[start:length]) for string in strings for start in shown)


@pytest.mark.parametrize(
    ("text", "strings", "wanted"),
    [
        ("one\nUser: two", ["\nUser:"], "one"),
        ("aab", ["ab", "b"], "a"),
        ("abcd", ["bcd", "c"], "ab"),
        ("終わり。次", ["。次"], "終わり"),
        ("text", [], "text"),
    ],
)
def test_the_first_complete_string_ends_the_text(text: str, strings: list[str], wanted: str) -> None:
    stops = StopStrings(strings)
    assert "".join(map(stops.feed, text)) + stops.close() == wanted


def test_nothing_comes_after_a_stop() -> None:
    stops = StopStrings(["x"], include=True)
    assert [stops.feed("axb"), stops.feed("c"), stops.close(), stops.found] == ["ax", "", "", "x"]
