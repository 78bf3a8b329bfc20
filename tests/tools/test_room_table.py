"""ARCHITECTURE.md lists every file as the code describes itself."""

from __future__ import annotations

import pytest

from tools.room_table import PAGE, room_table, with_room_table


def test_the_list_is_that_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_room_table(page), "run `python -m tools.room_table`"


def test_every_file_is_described() -> None:
    lines = [line for line in room_table().splitlines() if line.startswith("- ")]
    assert len(lines) > 200
    assert [line for line in lines if line.endswith("`: ")] == []


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="ARCHITECTURE"):
        with_room_table("# Architecture\n")
