"""The table of marker families: one for every spelling, and each can be read as a stream."""

from __future__ import annotations

import itertools

import pytest

from core.splitter.marker_families import (
    ALL_SPELLINGS,
    ANSWER_WRAPS,
    THINKING_FAMILIES,
    THINKING_PAIRS,
    MarkerFamily,
    family_markers,
    family_opened_by,
    family_with,
)


@pytest.mark.parametrize("family", THINKING_FAMILIES, ids=lambda family: family.name)
def test_each_family_can_be_told_apart_in_a_stream(family: MarkerFamily) -> None:
    markers = family_markers(family)
    assert set(markers.kinds()) == set(family.spellings())
    for opener in family.openers:
        assert family_opened_by(f" \n{opener}x") is family is family_with(opener)


def test_no_opener_begins_another_familys() -> None:
    openers = [opener for family in THINKING_FAMILIES for opener in family.openers]
    assert not any(one.startswith(other) for one, other in itertools.permutations(openers, 2))
    assert len({family.name for family in THINKING_FAMILIES}) == len(THINKING_FAMILIES)


def test_the_tables_hold_every_pair_once() -> None:
    assert len(set(THINKING_PAIRS)) == len(THINKING_PAIRS)
    assert ("<answer>", "</answer>") in ANSWER_WRAPS
    assert len(set(ALL_SPELLINGS)) == len(ALL_SPELLINGS)
    assert family_opened_by("plain text") is None is family_with("x")
