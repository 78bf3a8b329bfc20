"""Which rows are trained with their reasoning and which without: drawn by what a row says and a seed, never by its place or the process."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from core.errors import UsageError
from core.prompts.templates import Template
from core.row import Row

Why = Literal["vanilla", "reasoning", "without_reasoning"]


class MixtureCounts(msgspec.Struct, frozen=True):
    """How many rows were drawn for each template; `without_reasoning` rows take the vanilla one because there is nothing else to train."""

    vanilla: int = 0
    reasoning: int = 0
    without_reasoning: int = 0

    @property
    def total(self) -> int:
        return self.vanilla + self.reasoning + self.without_reasoning


def draw(row: Row, seed: int) -> float:
    """A number in [0, 1), uniform over rows and over seeds, the same in any process."""
    digest = hashlib.blake2b(row.identity().encode(), digest_size=8, key=str(seed).encode(), person=b"suiron mixture").digest()
    return (int.from_bytes(digest, "little") >> 11) / (1 << 53)


def choose(row: Row, share: float, seed: int, vanilla: Template, reasoning: Template) -> tuple[Template, Why]:
    """The row's template, and why. `share` (0 to 1) of the rows that have reasoning take `vanilla`; a row whose reasoning is blank always does.

    Raises UsageError for a share out of range, or a `vanilla` that asks for reasoning.
    """
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"the vanilla share is {share}", "", "Choose a share between 0 and 1")
    if vanilla.has_reasoning:
        raise UsageError("the vanilla template asks for reasoning", vanilla.name, "Choose one without a slot for it, such as alpaca")
    if not row.reasoning.strip():
        return vanilla, "without_reasoning"
    return (vanilla, "vanilla") if draw(row, seed) < share else (reasoning, "reasoning")


def count(whys: Iterable[Why]) -> MixtureCounts:
    """The realised mixture of all rows chosen."""
    counts = Counter(whys)
    return MixtureCounts(counts["vanilla"], counts["reasoning"], counts["without_reasoning"])
