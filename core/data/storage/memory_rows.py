"""A small source as rows in memory: the demo is on the screen before pyarrow alone would be imported. Answers as
`mapped` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from core.base.row import COLUMNS, Row
from core.data.filters import Filters
from core.data.search import row_query

if TYPE_CHECKING:
    import pyarrow as pa

    from core.data.storage.edit_overlay import Overlay

_BATCH = 4096


class HeldRows:
    """`put` while the source is read; everything else afterwards. Rows stand in the order in which they are shown."""

    def __init__(self, rows: Sequence[Row] = (), highest: int | None = None) -> None:
        self._rows = list(rows)
        self._highest = highest
        self._places: dict[int, int] | None = (
            None if highest is None else {row.index: place for place, row in enumerate(self._rows)}
        )

    def put(self, columns: Sequence[Sequence[str]]) -> None:
        first = len(self._rows)
        self._rows += [Row(*values, index=place) for place, values in enumerate(zip(*columns, strict=True), first)]  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def highest(self) -> int:
        return len(self._rows) - 1 if self._highest is None else self._highest

    def row(self, index: int) -> Row:
        if self._places is not None:
            place = self._places.get(index)
            if place is not None:
                return self._rows[place]
        elif 0 <= index < len(self._rows):
            return self._rows[index]
        raise IndexError(f"row {index} of {len(self._rows)}")

    def take(self, indices: Sequence[int]) -> list[Row]:
        return [self.row(int(index)) for index in indices]

    def order(self) -> Sequence[int]:
        return range(len(self._rows)) if self._places is None else [row.index for row in self._rows]

    def edited(self, overlay: Overlay) -> HeldRows:
        """These rows of the source, as an overlay has them."""
        rows: list[Row] = []
        for added in overlay.places.get(-1, ()):
            rows += overlay.found(added)
        for row in self._rows:
            index = row.index
            if not overlay.gone[index]:
                rows.append(overlay.patches.get(index, row))
            for added in overlay.places.get(index, ()):
                rows += overlay.found(added)
        return HeldRows(rows, overlay.highest)

    def find(self, filters: Filters, ticket: row_query.Ticket) -> Iterator[tuple[float, Sequence[int]]]:
        """Once, the indices of the rows that pass, in order."""
        chosen = self._rows
        if filters.where:
            from core.data.search.sql import where

            passed = set(where(self, filters.where, ticket).tolist())
            chosen = [row for row in chosen if row.index in passed]
        if filters.syslang or filters.sysflag:
            chosen = [
                row
                for row in chosen
                if (not filters.syslang or row.syslang == filters.syslang)
                and (not filters.sysflag or row.sysflag == filters.sysflag)
            ]
        if filters.text:
            needle, columns = row_query.held_pattern(filters.text), filters.columns or COLUMNS
            chosen = [row for row in chosen if any(needle.search(getattr(row, column)) for column in columns)]
        ticket.check()
        kind, by = row_query.order(filters.sort)
        if by:

            def key(row: Row) -> Any:
                return getattr(row, by[0]) if kind == "text" else sum(len(getattr(row, column)) for column in by)

            chosen = sorted(chosen, key=key, reverse=filters.descending)
        yield 1.0, [row.index for row in chosen]

    def counts(self, column: str) -> dict[str, int]:
        return dict(Counter(getattr(row, column) for row in self._rows))

    def batches(self, flag: str, size: int) -> Iterator[list[Row]]:
        rows = [row for row in self._rows if not flag or row.sysflag == flag]
        for first in range(0, len(rows), size):
            yield rows[first : first + size]

    def empty_reasoning(self, flag: str) -> int:
        return sum(not row.reasoning.strip() for row in self._rows if not flag or row.sysflag == flag)

    def record_batches(self, indices: Sequence[int] | None = None) -> Iterator[pa.RecordBatch]:
        rows = iter(self._rows) if indices is None else (self.row(int(index)) for index in indices)
        while batch := list(islice(rows, _BATCH)):
            yield as_batch(batch)


def as_batch(rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows as Arrow: six string columns and `row`."""
    import numpy as np
    import pyarrow as pa

    from core.data.storage.arrow_arrays import numbers, texts

    columns = [texts([getattr(row, column) for row in rows]) for column in COLUMNS]
    indices = np.fromiter((row.index for row in rows), np.int64, len(rows))
    return pa.record_batch([*columns, numbers(indices)], names=[*COLUMNS, "row"])
