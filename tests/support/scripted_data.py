"""A data set of a million rows that answers when the test says so: early first, and a search that finds its rows bit by
bit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from core.base.errors import DataError
from core.base.row import COLUMNS, Row
from core.data.columns.mapping import ColumnMapping
from core.data.filters import RowFilters
from core.data.not_used import NotUsed
from core.data.search.running_queries import QueryInterrupted
from core.data.storage.row_store import EditCounts

MILLION = 1_000_000
WAIT = 10.0  # seconds until a test that forgot a gate fails instead of hanging


def scripted_row(index: int) -> Row:
    return Row(f"question {index}", "", "thought", f"answer {index}", "English", "train", index=index)


class ScriptedSelection:
    def __init__(
        self, indices: Sequence[int], share: float = 1.0, make_row: Callable[[int], Row] = scripted_row
    ) -> None:
        self.indices, self.share, self._make_row = indices, share, make_row

    def __len__(self) -> int:
        return len(self.indices)

    def page(self, offset: int, limit: int) -> list[Row]:
        return [self._make_row(index) for index in self.indices[offset : offset + limit]]

    def position(self, index: int) -> int | None:
        return self.indices.index(index) if index in self.indices else None

    def at(self, place: int) -> int:
        return self.indices[place]


class ScriptedData:
    """ready, counted: as a DataSet has them. `steps`: the selections a search gives, each after `gate` was set once
    more. make_row: its rows, by index."""

    columns, problems, problem_count, changes, origin, mapping = COLUMNS, (), 0, EditCounts(), None, ColumnMapping()
    problem_kinds, notes, other_splits = (), (), ()

    def __init__(
        self,
        source: str,
        rows: int = MILLION,
        ready: bool = True,
        counted: bool = True,
        make_row: Callable[[int], Row] = scripted_row,
    ) -> None:
        self._make_row = make_row
        self.name = self.source = source
        self.split = ""
        self.rows, self.ready, self.counted = rows, ready, counted
        self.highest = rows - 1
        self.asked: list[RowFilters] = []
        self.steps: list[ScriptedSelection] = []
        self.gate = threading.Semaphore(0)
        self.interrupted = 0
        self.not_used, self.not_used_words = NotUsed(), ""

    def __len__(self) -> int:
        return self.rows

    def select(self, filters: RowFilters) -> ScriptedSelection:
        return list(self.search(filters))[-1]

    def search(self, filters: RowFilters) -> Iterator[ScriptedSelection]:
        self.asked.append(filters)
        if "wrong" in filters.where:
            raise DataError("there is no column wrong", filters.where, "Columns are instruction and others")
        if not filters.text and "slow" not in filters.where:
            yield ScriptedSelection(range(self.rows), make_row=self._make_row)
            return
        before = self.interrupted
        for step in self.steps:
            if not self.gate.acquire(timeout=WAIT):
                raise TimeoutError("nobody opened the gate")
            if self.interrupted != before:
                raise QueryInterrupted
            yield step

    def interrupt(self) -> None:
        self.interrupted += 1

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        return {"syslang": [("English", self.rows)], "sysflag": [("train", self.rows)]}

    def changed(self, index: int) -> bool:
        return False

    def before(self, index: int) -> Row | None:
        return self._make_row(index)

    def row(self, index: int) -> Row:
        return self._make_row(index)
