"""Safe fixes as data: which rows would change or be deleted.

A fix reads each row again, and changes it only where the result is certain. It is applied through an editor, so that it
can be undone like any other edit. Imports nothing heavy, so that the terminal may import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from core.base.errors import UsageError
from core.base.row import Row
from core.quality.finding_kind import RowDeletion
from core.quality.registry import FINDING_KINDS
from core.quality.report import FindingGroup

_MOST_ROWS = 100_000  # rows of one fix, since their new texts are in memory


class RowSource(Protocol):
    """The source of rows for a fix."""

    def row(self, index: int) -> Row: ...


class RowWriter(Protocol):
    """The editor that applies a fix."""

    def rewrite(self, texts: Mapping[int, Mapping[str, str]], words: str) -> int: ...

    def delete(self, indices: Sequence[int]) -> int: ...


class PlannedFix(msgspec.Struct, frozen=True):
    """The effect of a fix on the rows of one group of findings."""

    kind: str
    """The name of the kind of finding."""
    words: str
    """What the fix does, as an imperative phrase."""
    changes: dict[int, dict[str, str]]
    """The new texts of the columns that change, by row index."""
    deletes: tuple[int, ...]
    """The indices of the rows to delete, ascending."""
    left: int
    """Findings that are left to the user."""

    @property
    def rows(self) -> int:
        """How many rows it changes or deletes."""
        return len(self.changes) + len(self.deletes)


def plan_fix(data: RowSource, group: FindingGroup) -> PlannedFix:
    """The fix for a group of findings about `data`, for a hundred thousand of its rows at most. Raises UsageError for a
    kind that has no safe fix."""
    fix = FINDING_KINDS[group.kind].fix
    if fix is None:
        fixable = ", ".join(kind.name for kind in FINDING_KINDS.values() if kind.fix)
        raise UsageError(
            f"{group.title}: this has no safe fix",
            group.kind,
            f"Correct the rows yourself; there are fixes for {fixable}",
        )
    changes: dict[int, dict[str, str]] = {}
    deletes: list[int] = []
    for position, index in enumerate(group.indices[:_MOST_ROWS]):
        try:
            row = data.row(index)
            if isinstance(fix, RowDeletion):
                other = group.other(position)
                if other is not None and fix.is_certain(row, data.row(other)):
                    deletes.append(index)
            elif new_texts := fix.new_texts(row):
                changes[index] = new_texts
        except IndexError:  # deleted since the rows were checked
            continue
    return PlannedFix(
        kind=group.kind,
        words=fix.words,
        changes=changes,
        deletes=tuple(deletes),
        left=group.count - len(changes) - len(deletes),
    )


def apply_fix(writer: RowWriter, fix: PlannedFix) -> int:
    """Applies the fix as one edit; returns the number of changed rows. Raises DataError where the editor cannot change
    them."""
    if fix.deletes:
        return writer.delete(fix.deletes)
    return writer.rewrite(fix.changes, fix.words) if fix.changes else 0
