"""Moves from one finding of the doctor to the next. Knows no widget."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from core.base.safe_text import safe_line

if TYPE_CHECKING:
    from core.quality.report import FindingGroup


class Finding(NamedTuple):
    """One row that the doctor found."""

    row: int
    """Its index."""
    field: str
    """The first field the finding is in; empty where it is about the whole row."""
    words: str
    """Which finding it is, of how many, safe text."""


class FindingsWalk:
    """Goes round through the rows of one group of findings."""

    def __init__(self) -> None:
        self._group: FindingGroup | None = None

    @property
    def kind(self) -> str:
        """The kind of the group; empty before one is chosen."""
        return self._group.kind if self._group is not None else ""

    def choose_group(self, group: FindingGroup | None) -> None:
        """The group to walk through; None for none."""
        self._group = group

    def first_finding(self) -> Finding | None:
        """None where no group is chosen."""
        return self._finding_at(0)

    def next_finding(self, row: int, by: int) -> Finding | None:
        """The finding after the row `row` (by 1), or the one before it (by -1); wraps around at the ends. None where no
        group is chosen."""
        if self._group is None:
            return None
        rows = self._group.indices
        position = bisect_right(rows, row) if by > 0 else bisect_left(rows, row) - 1
        return self._finding_at(position % self._group.count)

    def _finding_at(self, position: int) -> Finding | None:
        group = self._group
        if group is None:
            return None
        row, columns = group.indices[position], group.columns(position)
        other = group.other(position)
        pair_words = f", like row {other:,}" if other is not None else ""
        words = f"finding {position + 1:,} of {group.count:,}: {safe_line(group.title, 100)}{pair_words} · row {row:,}"
        return Finding(row, columns[0] if columns else "", words)
