"""A data set as the rest of the house sees it: length, rows, filters, counts, batches. Knows not where its rows lie."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Protocol

from core.data.cells import clean
from core.data.intake import Facts
from core.row import COLUMNS, Row
from core.session import Filters

_BATCH = 256  # rows handed out at once by `batches`


class Rows(Protocol):
    """What `held` and `mapped` both are. Indices run from 0 to the length; `indices` rises."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...

    def indices(self, filters: Filters) -> Sequence[int]: ...

    def counts(self, column: str) -> dict[str, int]: ...

    def batches(self, flag: str, size: int) -> Iterator[list[Row]]: ...

    def empty_reasoning(self, flag: str) -> int: ...


class DataSet:
    """The good rows of one source. Never changes once open; safe to use from several threads.

    name: a short label, foreign text; mapping: the source's column -> canonical; extra: columns that are not used;
    columns: the canonical ones that are there; problems: the first thousand bad rows, of problem_count.
    """

    def __init__(self, name: str, source: str, split: str, rows: Rows, facts: Facts) -> None:
        self.name, self.source, self.split = name, source, split
        self.mapping, self.extra = facts.mapping, facts.extra
        self.columns = tuple(column for column in COLUMNS if column in facts.mapping.values())
        self.problems, self.problem_count = facts.problems, facts.problem_count
        self._rows = rows
        self._facets: dict[str, list[tuple[str, int]]] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Row:
        """The row at `index`, from 0. Raises IndexError beyond the ends."""
        if not 0 <= index < len(self._rows):
            raise IndexError(f"row {index} of {len(self._rows)}")
        return self._rows.row(index)

    def select(self, filters: Filters) -> Selection:
        """The rows that pass all filters. Text is sought as it stands, in any case, in all six columns. May take a second on a million rows."""
        if filters == Filters():
            return Selection(self, range(len(self)))
        # what a person pasted may hold lone surrogates, rows never do
        cleaned = Filters(clean(filters.syslang), clean(filters.sysflag), clean(filters.text))
        return Selection(self, self._rows.indices(cleaned))

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        """For syslang and sysflag, each value with its count, the most frequent first; no values where the column is not there."""
        if self._facets is None:
            self._facets = {
                column: sorted(self._rows.counts(column).items(), key=lambda pair: (-pair[1], pair[0])) if column in self.columns else []
                for column in ("syslang", "sysflag")
            }
        return self._facets

    def batches(self, flag: str = "") -> Iterator[list[Row]]:
        """All rows in order, a few hundred at a time; only those whose sysflag is `flag` where the column is there and `flag` is not empty."""
        return self._rows.batches(self._flag(flag), _BATCH)

    def empty_reasoning(self, flag: str = "") -> int:
        """How many of the rows that `batches(flag)` gives have no reasoning, or nothing but space."""
        return self._rows.empty_reasoning(self._flag(flag))

    def _flag(self, flag: str) -> str:
        return flag if "sysflag" in self.columns else ""


class Selection:
    """Some rows of a data set, in its order."""

    def __init__(self, data: DataSet, indices: Sequence[int]) -> None:
        self._data = data
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def page(self, offset: int, limit: int) -> list[Row]:
        """At most `limit` rows from place `offset` of the selection on; fewer at its end, none beyond."""
        return [self._data.row(int(index)) for index in self._indices[max(0, offset) : max(0, offset) + max(0, limit)]]

    def position(self, index: int) -> int | None:
        """The place in the selection of the row `index`, or None where it is not selected."""
        place = bisect_left(self._indices, index)
        return place if place < len(self._indices) and self._indices[place] == index else None
