"""The columns dialog has words for every way to read a column."""

from __future__ import annotations

from typing import get_args

from core.data.columns.mapping import Extraction
from tui.data.dialogs.columns import HOW


def test_every_way_has_words() -> None:
    assert set(HOW) == set(get_args(Extraction)) and len(set(HOW.values())) == len(HOW)
