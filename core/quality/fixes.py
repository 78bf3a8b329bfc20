"""Safe fixes: which rows would change or be deleted, as data. A fix reads each row again, and leaves alone what is not
certain.

Whoever may write applies it through an editor, where it can be undone like any other edit. Imports nothing heavy, so
that the terminal may import it.
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

_MOST_ROWS = 100_000  # of one fix: their new texts are in memory


class RowSource(Protocol):
    """What a fix reads from."""

    def row(self, index: int) -> Row: ...


class RowWriter(Protocol):
    """What a fix is applied with."""

    def rewrite(self, texts: Mapping[int, Mapping[str, str]], words: str) -> int: ...

    def delete(self, indices: Sequence[int]) -> int: ...


class PlannedFix(msgspec.Struct, frozen=True):
    """What a fix will do to the rows of one group of findings."""

    kind: str
    """The name of the kind of finding."""
    words: str
    """What the fix does, as an imperative phrase."""
    changes: dict[int, dict[str, str]]
    """By row index the columns that get a new text."""
    deletes: tuple[int, ...]
    """The indices of the rows to delete, rising."""
    left: int
    """Findings that it leaves to the user."""

    @property
    def rows(self) -> int:
        """How many rows it touches."""
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
            f"Correct the rows by hand; there are fixes for {fixable}",
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
    """Applies the fix as one edit and gives the number of rows that changed. Raises DataError where they cannot be
    changed, as the editor does."""
    if fix.deletes:
        return writer.delete(fix.deletes)
    return writer.rewrite(fix.changes, fix.words) if fix.changes else 0
