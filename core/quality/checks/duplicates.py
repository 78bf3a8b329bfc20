"""Rows that occur more than once with exactly the same texts and sysflag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.base.row import Row
from core.quality.check_interface import ComparisonCheck
from core.quality.finding_kind import FindingKind, RowDeletion

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_comparison import RowComparison


def _is_duplicate(row: Row, first: Row) -> bool:
    return row.index != first.index and row.identity() == first.identity() and row.sysflag == first.sysflag


KINDS = (
    FindingKind(
        "duplicate",
        "warning",
        "the same row again",
        "A repeated row counts as often as it occurs, and is memorised",
        "Keep one of them",
        RowDeletion("delete all but the first row", _is_duplicate),
    ),
)


def find_duplicates(rows: RowComparison, findings: Findings) -> None:
    for first, *others in rows.groups_within_flag("exact"):
        for position in others:
            findings.add("duplicate", rows.row_index(position), other=rows.row_index(first))


CHECK = ComparisonCheck(KINDS, find_duplicates)
