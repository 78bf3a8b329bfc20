"""Which filters and orders are possible, and how they are normalised."""

from __future__ import annotations

import pytest

from core.base.errors import DataError
from core.base.row import COLUMNS
from core.data.filters import RowFilters
from core.data.search.filter_rules import checked_filters, sort_columns


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", ("text", ())),
        ("output", ("text", ("output",))),
        ("length", ("length", COLUMNS)),
        ("length(reasoning)", ("length", ("reasoning",))),
    ],
)
def test_an_order_names_a_comparison_and_its_columns(sort: str, expected: tuple[str, tuple[str, ...]]) -> None:
    assert sort_columns(sort) == expected


@pytest.mark.parametrize("sort", ["answer", "length(answer)", "length()", "length(output", "LENGTH", "output "])
def test_an_unknown_order_is_an_error_that_names_it(sort: str) -> None:
    with pytest.raises(DataError) as caught:
        sort_columns(sort)
    assert sort in caught.value.what and "length(COLUMN)" in caught.value.do


def test_filters_without_effect_become_the_default() -> None:
    assert checked_filters(RowFilters(where=" \n", columns=("output",), descending=True)) == RowFilters()
    assert checked_filters(RowFilters(text="a", columns=COLUMNS)) == RowFilters(text="a")
    kept = RowFilters(text="a", columns=("output",), sort="length", descending=True, where="row > 1")
    assert checked_filters(kept) == kept


def test_lone_surrogates_become_what_rows_can_hold() -> None:
    assert checked_filters(RowFilters(text="a\ud800", syslang="\udfff")) == RowFilters(text="a\ufffd", syslang="\ufffd")
