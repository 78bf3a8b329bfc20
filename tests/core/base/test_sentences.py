"""A sentence ends once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import DataError, error_sentences
from core.base.sentences import with_full_stop


@pytest.mark.parametrize(
    "words", ["。", "はい。", "Why?", "So!", "So.", "and …", "…", "「はい。」", 'he said "no."', "(so?)"]
)
def test_no_stop_follows_the_end_of_a_sentence(words: str) -> None:
    assert with_full_stop(f" {words} ") == words
    assert str(DataError(words, "a", words)) == f"a: {words} {words}"
    assert not error_sentences(DataError(words, "", words)).line.endswith("..")


@pytest.mark.parametrize("words", ["so", "(rows 1, 2)", "「はい」", "1.5", "it's 'so'"])
def test_other_words_get_one(words: str) -> None:
    assert with_full_stop(words) == f"{words}."


@given(st.text(max_size=6))
def test_once_is_enough(words: str) -> None:
    assert with_full_stop(with_full_stop(words)) == with_full_stop(words)
