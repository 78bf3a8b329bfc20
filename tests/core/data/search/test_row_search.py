"""Search functions on stored rows, without a data set."""

from __future__ import annotations

import pytest

from core.base.row import FIELDS, Row
from core.data.filters import RowFilters
from core.data.search.row_search import count_empty_reasoning, count_values, find_rows, row_batches
from core.data.search.running_queries import QueryInterrupted, RunningQueries
from core.data.storage.arrow_rows import ArrowRows
from core.data.storage.edit_table import EditTable, UndoRecord
from core.data.storage.memory_rows import MemoryRows
from core.data.storage.row_store import RowStore

ROWS = [
    Row(f"q{i}", "", "" if i % 3 else " \n", f"a{i % 2}", "", "train" if i < 4 else "test", index=i) for i in range(7)
]


@pytest.fixture(params=["memory", "arrow", "edited memory", "edited arrow"])
def store(request: pytest.FixtureRequest) -> RowStore:
    """The same seven rows in every store; the edited ones got there by edits."""
    edited = request.param.startswith("edited")
    source = [Row("to be changed", "", "r", "a", index=0), *ROWS[1:5]] if edited else ROWS
    rows: MemoryRows | ArrowRows = MemoryRows(source)
    if request.param.endswith("arrow"):
        batches = [batch.select(range(len(FIELDS))) for batch in rows.record_batches()]
        rows = ArrowRows([part for batch in batches for part in (batch.slice(0, 3), batch.slice(3))])
    if not edited:
        return rows
    table = EditTable(rows)
    table.put_row(ROWS[0], UndoRecord())
    for row in ROWS[5:]:
        table.add_row(row, None, UndoRecord())
    return rows.with_overlay(table.overlay())


def found(store: RowStore, filters: RowFilters) -> list[int]:
    *_, (share, indices) = find_rows(store, filters, RunningQueries().ticket())
    assert share == 1.0
    return [int(index) for index in indices]


def test_rows_are_found_in_order(store: RowStore) -> None:
    assert found(store, RowFilters()) == list(range(7))
    assert found(store, RowFilters(text="A1")) == [1, 3, 5]
    assert found(store, RowFilters(text="q", columns=("output",))) == []
    assert found(store, RowFilters(sysflag="test", sort="output", descending=True)) == [5, 4, 6]
    assert found(store, RowFilters(sort="length(reasoning)", descending=True)) == [0, 3, 6, 1, 2, 4, 5]


def test_counts(store: RowStore) -> None:
    assert count_values(store, "sysflag") == {"train": 4, "test": 3}
    assert (count_empty_reasoning(store, ""), count_empty_reasoning(store, "test")) == (7, 3)


def test_batches_are_full_but_for_the_last(store: RowStore) -> None:
    assert list(row_batches(store, "", 3)) == [ROWS[:3], ROWS[3:6], ROWS[6:]]
    assert list(row_batches(store, "train", 3)) == [ROWS[:3], ROWS[3:4]]
    assert list(row_batches(store, "nothing", 3)) == []


def test_a_cancelled_search_ends(store: RowStore) -> None:
    queries = RunningQueries()
    ticket = queries.ticket()
    queries.interrupt()
    with pytest.raises(QueryInterrupted):
        list(find_rows(store, RowFilters(text="q"), ticket))
