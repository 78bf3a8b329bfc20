"""Text in any case: the pattern for Python and the patterns for RE2 match the same characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.data.search.text_patterns import PREFIX_LENGTH, case_variants, python_pattern, re2_patterns

_text = st.text(st.sampled_from("aAbßẞkK\u212asSſıIİé%_'\"\\(.*[]^$|?+{}あ山 \n\0\u0301"), max_size=6)


@pytest.mark.parametrize(
    ("character", "variants"),
    [
        ("a", ["a", "A"]),
        ("K", ["K", "k"]),
        ("\u212a", ["\u212a", "k"]),
        ("ß", ["ß"]),
        ("山", ["山"]),
        ("ǆ", ["ǆ", "Ǆ", "ǅ"]),
    ],
)
def test_a_letter_matches_its_lower_upper_and_title_form(character: str, variants: list[str]) -> None:
    assert case_variants(character) == variants


@given(needle=_text.filter(bool), text=_text)
@hypothesis_settings(max_examples=200, deadline=None)
def test_re2_finds_what_python_finds(needle: str, text: str) -> None:
    import pyarrow.compute as pc

    from core.data.storage.arrow_arrays import bool_values, string_array

    array = string_array([text])
    fast, exact = (bool(bool_values(pc.match_substring_regex(array, pattern))[0]) for pattern in re2_patterns(needle))
    assert exact == (python_pattern(needle).search(text) is not None)
    assert fast or not exact, "the fast pattern may match too much, never too little"


def test_only_the_beginning_of_a_long_text_goes_into_the_re2_patterns() -> None:
    assert re2_patterns("é" * 1000) == re2_patterns("é" * PREFIX_LENGTH)
    assert python_pattern("é" * 1000).search("é" * 999) is None
