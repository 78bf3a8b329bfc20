"""A count and its noun agree."""

from __future__ import annotations

import pytest

from core.base.plural import counted


@pytest.mark.parametrize("count, words", [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (12345, "12,345 rows")])
def test_a_count_and_its_noun_agree(count: int, words: str) -> None:
    assert counted(count, "row") == words
