"""The sentinel: honest texts with many repetitions do not warn, loops warn in time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.sentinel import COPIES, RECURRING_COPIES, RECURRING_LOOP, WORD_LOOP, LoopWarning, Sentinel
from tests.core.engine.sentinel_texts import COUNTERS, HONEST, LOOPS, Spellings, words


def warnings(spellings: Spellings, text: str) -> list[tuple[int, LoopWarning]]:
    """Each warning with the number of tokens that were read."""
    ids = spellings.ids(text)
    sentinel = Sentinel()
    told = (sentinel.read(id, spellings.texts[id]) for id in ids)
    return [(count, warning) for count, warning in enumerate(told, 1) if warning is not None]


def test_there_are_enough_texts() -> None:
    assert len(HONEST) >= 40
    assert len(LOOPS) >= 30


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_text_does_not_warn(name: str) -> None:
    assert warnings(Spellings(), HONEST[name]) == []


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_warns_in_time(name: str) -> None:
    spellings = Spellings()
    begin = words(60, 3) + "\n"
    unit = len(spellings.ids(LOOPS[name] * 16)) - len(spellings.ids(LOOPS[name] * 8))  # of eight copies
    needed = max(WORD_LOOP, COPIES * unit // 8)
    text = begin + LOOPS[name] * ((needed + 40) * 8 // unit + 5)
    ids = spellings.ids(text)
    (count, warning), *more = warnings(spellings, text)
    assert (more, warning.form) == ([], "period")
    copied = range(warning.since, count)
    assert all(ids[place] == ids[place - warning.period] for place in copied)
    assert not all(ids[place] == ids[place - warning.period] for place in range(warning.since - 1, count))
    assert count - len(spellings.ids(begin)) <= needed + unit // 8 + 8


@pytest.mark.parametrize("name", COUNTERS)
def test_a_growing_counter_warns_in_time(name: str) -> None:
    spellings = Spellings()
    begin = words(60, 3) + "\n"
    text = begin + "".join(COUNTERS[name].format(i=index) for index in range(1, 600))
    count, warning = warnings(spellings, text)[0]
    assert warning.form == "recurring"
    unit = len(spellings.ids(COUNTERS[name].format(i=100)))
    limit = max(RECURRING_LOOP, RECURRING_COPIES * unit)
    assert count - len(spellings.ids(begin)) <= 3 * limit


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.lists(st.integers(0, 30), max_size=60))
@settings(deadline=None)
def test_every_exact_period_of_words_warns(unit: list[int], before: list[int]) -> None:
    sentinel = Sentinel()
    for token in before:
        sentinel.read(token, "word")
    needed = max(WORD_LOOP, COPIES * len(unit)) + 2 * len(unit) + 8
    ids = (unit * (needed // len(unit) + 1))[:needed]
    found = [warning for token in ids if (warning := sentinel.read(token, "word")) is not None]
    assert [warning.form for warning in found][:1] == ["period"]
    assert len(unit) % found[0].period == 0


def test_a_second_loop_warns_again_and_one_loop_once() -> None:
    text = "パラ" * 400 + words(80, 1) + "ピン" * 400
    assert len(warnings(Spellings(), text)) == 2


def test_a_loop_of_characters_in_several_tokens_counts_as_words_where_they_are() -> None:
    for texts, warned in ((["", "", "山"], True), (["", "", "。"], False)):
        sentinel = Sentinel()
        assert any(sentinel.read(place % 3, texts[place % 3]) for place in range(600)) == warned
