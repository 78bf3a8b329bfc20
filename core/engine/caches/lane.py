"""A step with the sequences in its rows: live ones, and those that an ended answer left there."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from core.engine.caches.prefix_store import KeptPrefix, PrefixKey
from core.engine.steps.cache_copy import CacheCopy

if TYPE_CHECKING:
    from core.engine.sequence import AnswerSequence
    from core.engine.steps.rows import RowStep


class RowPlace:
    """A row of a lane."""

    def __init__(self, lane: Lane, row: int) -> None:
        self.lane, self.row = lane, row


Kept: TypeAlias = "KeptPrefix[RowPlace | CacheCopy]"
"""What an ended answer has left, in a row or beside the rows."""


class Lane:
    """One step. A captured graph has one adapter, so its lane has too; the others mix adapters row by row."""

    def __init__(self, step: RowStep, size: int, only: str | None = None, *, mixes: bool = True) -> None:
        """size: the rows it was asked for. only: the adapter of all rows, unless it `mixes`."""
        self.step, self.size = step, size
        self._only, self._mixes = only, mixes
        self.sequences: list[AnswerSequence | None] = [None] * step.rows
        self.kept: list[Kept | None] = [None] * step.rows

    def serves(self, adapter: str | None) -> bool:
        """Whether an adapter (None: the base model) can answer in it."""
        return self._mixes or adapter == self._only

    def key(self, adapter: str | None) -> PrefixKey:
        """Whose caches a row of this lane can use."""
        return adapter or "", self.step.path

    @property
    def live(self) -> list[int]:
        """Rows with an answer in progress."""
        return [row for row, sequence in enumerate(self.sequences) if sequence is not None]

    @property
    def free(self) -> list[int]:
        """Rows without one: first those that keep nothing, then the least recently used."""
        rows = [row for row, sequence in enumerate(self.sequences) if sequence is None]
        return sorted(rows, key=lambda row: kept.used if (kept := self.kept[row]) else 0)

    @property
    def fixed_bytes(self) -> int:
        """Memory of caches that are allocated whether rows hold something or not."""
        cache = getattr(self.step, "cache", None)
        return int(cache.bytes) if cache is not None else 0

    def row_bytes(self, row: int) -> int:
        """Memory that giving up what a row holds gives back."""
        return int(self.step.row_bytes(row)) if hasattr(self.step, "row_bytes") else 0

    def verify_drafts(self, live: list[int]) -> dict[int, list[int]]:
        """Let the step verify what the answers of these rows propose: the next tokens of those that propose some, by
        row. Only where it `drafts_exactly`."""
        told: dict[int, list[int]] = {}
        for row in live:
            sequence = self.sequences[row]
            drafted = sequence.propose() if sequence is not None else []
            if sequence is not None and sequence.drafts is not None and drafted:
                told[row] = self.step.verify(row, drafted)
                sequence.drafts.report(len(drafted), len(told[row]) - 1)
        return told
