"""The edits of one source as a journal tells them: the table they make, the way back, and what a DataSet sees of them.
Writes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from core.base.row import COLUMNS
from core.data.dataset import DataSet
from core.data.problems import Problem
from core.data.search.row_query import Asking
from core.data.storage.edit_overlay import Edited, Edits, Overlay, Undo
from core.data.storage.row_store import Changes, Rows

if TYPE_CHECKING:
    from core.data.editing.journal import Mark, Story
    from core.data.editing.operations import Operation

_HEAVY = 8  # edits of whole columns that are undone at once; older ones by telling all before them again
_encode = msgspec.json.Encoder(order="deterministic").encode


class _Done(NamedTuple):
    """undo: None for an old edit of whole columns, which would keep their former texts on the disk for good: it is told
    again without it instead."""

    operation: Operation
    undo: Undo | None
    digest: str


@dataclass
class History:
    """The edits of one source as they were told so far: the table they made, and how to go back. Belongs to one editor
    at a time."""

    edits: Edits
    done: list[_Done] = field(default_factory=list)
    undone: list[Operation] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    mark: Mark | None = None

    def do(self, operation: Operation) -> int:
        from core.data.editing.operations import apply

        undo, count = apply(operation, self.edits)
        before = self.done[-1].digest if self.done else ""
        said = _encode(msgspec.structs.replace(operation, when=0.0))
        self.done.append(_Done(operation, undo, hashlib.blake2b(before.encode() + said, digest_size=8).hexdigest()))
        heavy = (
            [place for place, done in enumerate(self.done) if done.undo is not None and done.undo.columns]
            if undo.columns
            else []
        )
        for place in heavy[:-_HEAVY]:
            self.done[place] = self.done[place]._replace(undo=None)
        return count

    def pass_over(self, operation: Operation) -> None:
        """An edit that does nothing here, but is one for whoever counts back."""
        self.done.append(_Done(operation, Undo(), self.done[-1].digest if self.done else ""))

    def back(self) -> None:
        """Takes the last one back."""
        last = self.done.pop()
        if last.undo is not None:
            self.edits.revert(last.undo)
            return
        done, before = self.done, self.edits
        self.done, self.edits = [], Edits(before.base)
        try:
            for one in done:
                self.do(one.operation)
        except BaseException:
            self.done, self.edits = [*done, last], before
            raise
        self.edits.next = before.next


class Applied:
    """The edits in force at one moment, as a DataSet has them."""

    def __init__(self, history: History, base: DataSet) -> None:
        self._base: Edited = base.base  # type: ignore[assignment]  # rows that are ready can be edited
        self.overlay: Overlay = history.edits.overlay()
        self.rows: Rows = self._base.edited(self.overlay)
        self.digest = history.done[-1].digest if history.done else ""
        self.problems: list[Problem] = history.problems
        self.columns: set[str] = self.overlay.filled(column for column in COLUMNS if column not in base.facts_columns)
        self.asking: Asking = base.asking
        self.history, self.mark = history, history.mark

    @cached_property
    def changes(self) -> Changes:
        added = sum(index >= len(self.overlay.gone) for index in self.overlay.patches)
        return Changes(self.overlay.changed(self._base), added, self.overlay.removed)


def told(dataset: DataSet, story: Story, journal: Path, mark: Mark) -> tuple[History, Story]:
    """The story's edits applied to the source's rows; and the story, another one where the source changed since."""
    base: Any = dataset.base
    history = History(Edits(base), mark=mark)
    if story.begun is not None and story.begun.base != dataset.fingerprint:
        from core.data.editing.rebase import rebased

        story, history.mark = rebased(story, base, journal), None  # what the journal says is not yet about these rows
    history.edits.next = max(history.edits.next, story.highest + 1)
    for number, why in story.bad:
        history.problems.append(
            Problem(number, f"this line of the edits cannot be read and is left out ({why})", journal.name)
        )
    for lost in story.lost:
        history.problems.append(_unfit(lost.edit, lost.why))
    for operation in story.done:
        try:
            history.do(operation)
        except (IndexError, ValueError) as error:
            history.problems.append(_unfit(operation, str(error)))
            history.pass_over(operation)
    history.undone = story.undone
    return history, story


def _unfit(operation: Operation, why: str) -> Problem:
    from core.data.editing.operations import step

    words, index = step(operation)
    return Problem(max(index, 0), f"an edit no longer fits and is left out: {words} ({why})")


def edited(source: DataSet, history: History) -> DataSet:
    return DataSet(
        source.name, source.source, source.split, source.base, source.facts, source.origin, Applied(history, source)
    )
