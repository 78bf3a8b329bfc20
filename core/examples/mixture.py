"""Which row is trained with which template: drawn by what a row says and a seed, never by its place or the process."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from core.base.errors import UsageError
from core.base.row import Row


class Drawable(Protocol):
    """What a mixture needs of a template, of text or bound to a model's chat form."""

    @property
    def name(self) -> str: ...

    @property
    def has_reasoning(self) -> bool: ...


AnyTemplate = TypeVar("AnyTemplate", bound=Drawable)


class Mixture(Generic[AnyTemplate]):
    """Templates with their weights: shares of the rows after division by their sum. A weight of 0 draws no row, but
    such a template still takes rows that have no reasoning, where no other can.

    The first template has the numbers below its share, the next those up to the sum of both, and so on: a larger share
    keeps the rows of a smaller. Raises UsageError for weights that are none, a template that stands twice, or no
    template at all.
    """

    def __init__(self, parts: Sequence[tuple[AnyTemplate, float]], seed: int) -> None:
        if not parts:
            raise UsageError("the mixture is empty", "mixture", "Name at least one template")
        names = [template.name for template, _ in parts]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(
                "a template stands twice in the mixture", twice, "Name it once, with the sum of its weights"
            )
        for template, weight in parts:
            if not (math.isfinite(weight) and weight >= 0.0):
                raise UsageError(f"the weight of a template is {weight}", template.name, "Give it a weight above 0")
        if not any(weight > 0.0 for _, weight in parts):
            raise UsageError(
                "no template of the mixture has a weight", ", ".join(names), "Give at least one a weight above 0"
            )
        self.templates: tuple[AnyTemplate, ...] = tuple(template for template, _ in parts)
        self.seed = seed
        self._key = str(seed).encode()
        self._bounds = _bounds([weight for _, weight in parts])
        others = [place for place, template in enumerate(self.templates) if not template.has_reasoning]
        weights = [parts[place][1] for place in others]
        self._others = others
        self._other_bounds = _bounds(weights if any(weights) else [1.0] * len(weights)) if others else []

    def shares(self) -> list[float]:
        """The share asked for of each template, of the rows that have reasoning."""
        return [high - low for low, high in zip([0.0, *self._bounds], self._bounds, strict=False)]

    def place(self, row: Row, identity: str = "") -> int | None:
        """The place of the row's template among `templates`, or None for a row without reasoning that only reasoning
        templates are there for.

        identity: the row's, where it is at hand already.
        """
        number = _draw(identity or row.identity(), self._key)
        if row.reasoning and not row.reasoning.isspace():
            return _within(number, self._bounds)
        return self._others[_within(number, self._other_bounds)] if self._others else None

    def choose(self, row: Row) -> AnyTemplate | None:
        place = self.place(row)
        return None if place is None else self.templates[place]


class Realised(msgspec.Struct, frozen=True):
    """How many rows each template got. without_reasoning: those among them that a template without reasoning took
    because they have none; left_out: rows without reasoning that no template of the mixture is for."""

    rows: dict[str, int]
    without_reasoning: int = 0
    left_out: int = 0

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    def words(self) -> str:
        """`alpaca 150 (15.0%), alpaca-reasoning 850 (85.0%)`."""
        return ", ".join(f"{name} {count:,} ({count / max(1, self.total):.1%})" for name, count in self.rows.items())


def draw(row: Row, seed: int) -> float:
    """A number in [0, 1), uniform over rows and over seeds, the same in any process."""
    return _draw(row.identity(), str(seed).encode())


def _draw(identity: str, key: bytes) -> float:
    digest = hashlib.blake2b(identity.encode(), digest_size=8, key=key, person=b"suiron mixture").digest()
    return (int.from_bytes(digest, "little") >> 11) / (1 << 53)


def _bounds(weights: Sequence[float]) -> list[float]:
    """The upper bound of each one's numbers; the last with a weight ends at 1 exactly."""
    total, at, bounds = sum(weights), 0.0, []
    for weight in weights:
        at += weight
        bounds.append(at / total)
    last = max(place for place, weight in enumerate(weights) if weight > 0.0)
    return [1.0 if place >= last else min(bound, 1.0) for place, bound in enumerate(bounds)]


def _within(number: float, bounds: Sequence[float]) -> int:
    return next(place for place, bound in enumerate(bounds) if number < bound)
