"""A small file of rows for the rooms to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.rooms import row, write_rows


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """450 rows: more than two pages of the table."""
    return write_rows(tmp_path / "rows.jsonl", [row(index) for index in range(450)])
