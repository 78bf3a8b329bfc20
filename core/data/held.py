"""A small source as rows in memory: the demo is on the screen before pyarrow alone would be imported. Answers as `mapped` does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from core.row import COLUMNS, Row
from core.session import Filters


class HeldRows:
    """`put` while the source is read; everything else afterwards."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def put(self, columns: Sequence[Sequence[str]]) -> None:
        first = len(self._rows)
        self._rows += [Row(*values, index=place) for place, values in enumerate(zip(*columns, strict=True), first)]  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Row:
        return self._rows[index]

    def indices(self, filters: Filters) -> Sequence[int]:
        needle = re.compile(re.escape(filters.text), re.IGNORECASE)
        return [
            row.index
            for row in self._rows
            if (not filters.syslang or row.syslang == filters.syslang)
            and (not filters.sysflag or row.sysflag == filters.sysflag)
            and (not filters.text or any(needle.search(getattr(row, column)) for column in COLUMNS))
        ]

    def counts(self, column: str) -> dict[str, int]:
        return dict(Counter(getattr(row, column) for row in self._rows))

    def batches(self, flag: str, size: int) -> Iterator[list[Row]]:
        rows = [row for row in self._rows if not flag or row.sysflag == flag]
        for first in range(0, len(rows), size):
            yield rows[first : first + size]

    def empty_reasoning(self, flag: str) -> int:
        return sum(not row.reasoning.strip() for row in self._rows if not flag or row.sysflag == flag)
