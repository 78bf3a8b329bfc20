"""Widths of the table's columns: they fill the table and go to the columns that need them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.base.row import Row
from tui.data.widgets.column_widths import CRAMPED, lay_out_columns, measure_columns

LONG = "これは長い文です。" * 40


def rows(**texts: str) -> list[Row]:
    return [Row(**({"instruction": LONG, "output": "72"} | texts), index=index) for index in range(30)]  # type: ignore[arg-type]


def widths(width: int, shown: list[Row], lacks: tuple[str, ...] = ()) -> dict[str, int]:
    return {column.name: column.width for column in lay_out_columns(width, 29, measure_columns(shown), lacks)}


def test_a_short_column_takes_no_more_than_it_needs() -> None:
    found = widths(100, rows(reasoning=LONG, syslang="Japanese", sysflag="train"))
    assert found["output"] <= 7 and found["syslang"] == 8 and 30 <= found["reasoning"] < found["instruction"]


def test_columns_that_the_source_lacks_take_nothing() -> None:
    assert set(widths(80, rows(), ("input", "reasoning", "syslang", "sysflag"))) == {"#", "instruction", "output"}


def test_a_column_that_is_mostly_empty_stays_narrow() -> None:
    mixed = [*rows()[:25], *rows(reasoning=LONG)[:5]]
    assert widths(120, mixed)["reasoning"] <= 20


@given(st.integers(CRAMPED, 300), st.integers(0, 10_000_000), st.lists(st.integers(0, 240), min_size=3, max_size=3))
def test_the_table_is_filled_and_never_overfull(width: int, highest: int, needs: list[int]) -> None:
    columns = lay_out_columns(width, highest, dict(zip(("instruction", "reasoning", "output"), needs, strict=True)), ())
    assert 1 + sum(column.width + 1 for column in columns) == width
    assert all(column.width > 0 for column in columns)
