"""A mapping as words comes back as it was, whatever its columns are called."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import UsageError
from core.base.row import FIELDS
from core.data.columns.mapping import ColumnMapping, ColumnPick, Extraction
from core.data.columns.mapping_words import mapping_from_words, mapping_to_words
from core.data.columns.marks import MarkKind, RowMark

names = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["a,b", "a:true", "[a", "a:text", "a:think", ":text", "text", "a:b:answer", "a:"]),
)
picks = st.builds(ColumnPick, names, st.sampled_from(get_args(Extraction)))
marks = st.builds(RowMark, names.filter(bool), st.sampled_from(get_args(MarkKind)))


@given(st.dictionaries(st.sampled_from(FIELDS), picks), st.lists(marks, max_size=3))
def test_round_trip(chosen: dict[str, ColumnPick], marked: list[RowMark]) -> None:
    again = mapping_from_words(mapping_to_words(ColumnMapping(chosen, marks=tuple(marked))))
    assert again.by_hand and list(again.picks) == [column for column in FIELDS if column in chosen]
    assert list(again.marks) == marked
    for column, pick in chosen.items():
        found = again.picks[column]
        assert (found.column, found.how) == (pick.column, pick.how if pick.column else "text")


def test_what_is_none_of_the_six() -> None:
    with pytest.raises(UsageError, match="not one of the columns"):
        mapping_from_words({"question": "a"})
