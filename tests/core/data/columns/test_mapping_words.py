"""A mapping as words comes back as it was, whatever its columns are called."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import UsageError
from core.base.row import COLUMNS
from core.data.columns.mapping import ColumnMapping, ColumnPick, Extraction
from core.data.columns.mapping_words import mapping_from_words, mapping_to_words

names = st.one_of(st.text(max_size=6), st.sampled_from(["a:text", "a:think", ":text", "text", "a:b:answer", "a:"]))
picks = st.builds(ColumnPick, names, st.sampled_from(get_args(Extraction)))


@given(st.dictionaries(st.sampled_from(COLUMNS), picks))
def test_round_trip(chosen: dict[str, ColumnPick]) -> None:
    again = mapping_from_words(mapping_to_words(ColumnMapping(chosen)))
    assert again.by_hand and list(again.picks) == [column for column in COLUMNS if column in chosen]
    for column, pick in chosen.items():
        found = again.picks[column]
        assert (found.column, found.how) == (pick.column, pick.how if pick.column else "text")


def test_what_is_none_of_the_six() -> None:
    with pytest.raises(UsageError, match="not one of the six"):
        mapping_from_words({"question": "a"})
