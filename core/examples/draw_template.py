"""Draws the template that a row is trained with.

The draw depends only on the row's texts and a seed, never on the row's position or the process.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from core.base.errors import UsageError
from core.base.row import Row


class DrawableTemplate(Protocol):
    """The part of a template that a mixture uses."""

    @property
    def name(self) -> str: ...

    @property
    def has_reasoning(self) -> bool: ...


AnyTemplate = TypeVar("AnyTemplate", bound=DrawableTemplate, covariant=True)


class Mixture(Generic[AnyTemplate]):
    """Templates with their weights: shares of the rows once they are divided by their sum. A weight of 0 draws no row,
    but such a template still takes rows without reasoning where no other can.

    The first template takes the draws below its share, the next those up to the sum of both, and so on, so that a
    larger share keeps the rows of a smaller one. Raises UsageError for an invalid weight, a template named twice, or no
    template at all.
    """

    def __init__(self, parts: Sequence[tuple[AnyTemplate, float]], seed: int) -> None:
        _check_parts(parts)
        self.templates: tuple[AnyTemplate, ...] = tuple(template for template, _ in parts)
        self.seed = seed
        self._key = str(seed).encode()
        self._bounds = _upper_bounds([weight for _, weight in parts])
        self._plain = [index for index, template in enumerate(self.templates) if not template.has_reasoning]
        weights = [parts[index][1] for index in self._plain]
        self._plain_bounds: list[float] = []
        if self._plain:
            self._plain_bounds = _upper_bounds(weights if any(weights) else [1.0] * len(weights))

    def shares(self) -> list[float]:
        """The share of each template among the rows that have reasoning."""
        return [high - low for low, high in self.draw_ranges()]

    def draw_ranges(self) -> list[tuple[float, float]]:
        """The range of draws of each template, for rows that have reasoning: from the first number up to, but not
        including, the second."""
        return list(zip([0.0, *self._bounds], self._bounds, strict=False))

    def template_index(self, row: Row, identity: str = "") -> int | None:
        """The index in `templates` of the row's template, or None for a row without reasoning where every template
        needs one.

        identity: the row's identity, where the caller has computed it already.
        """
        number = _draw_number(identity or row.identity(), self._key)
        if row.has_reasoning:
            return _first_above(number, self._bounds)
        return self._plain[_first_above(number, self._plain_bounds)] if self._plain else None

    def template_for(self, row: Row) -> AnyTemplate | None:
        """The row's template; None where no template fits it."""
        index = self.template_index(row)
        return None if index is None else self.templates[index]


def draw_number(row: Row, seed: int) -> float:
    """The row's draw: a number in [0, 1), uniform over rows and over seeds, equal in any process."""
    return _draw_number(row.identity(), str(seed).encode())


def _draw_number(identity: str, key: bytes) -> float:
    digest = hashlib.blake2b(identity.encode(), digest_size=8, key=key, person=b"suiron mixture").digest()
    return (int.from_bytes(digest, "little") >> 11) / (1 << 53)


def _check_parts(parts: Sequence[tuple[DrawableTemplate, float]]) -> None:
    """Raises UsageError for a mixture that cannot be drawn from."""
    if not parts:
        raise UsageError("the mixture is empty", "mixture", "Name at least one template")
    names = [template.name for template, _ in parts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError("the mixture names a template twice", twice, "Name it once, with the sum of its weights")
    for template, weight in parts:
        if not (math.isfinite(weight) and weight >= 0.0):
            raise UsageError(f"the weight of a template is {weight}", template.name, "Give it a weight above 0")
    if not any(weight > 0.0 for _, weight in parts):
        what = "no template of the mixture has a weight"
        raise UsageError(what, ", ".join(names), "Give at least one a weight above 0")


def _upper_bounds(weights: Sequence[float]) -> list[float]:
    """The upper bound of each template's draws; that of the last template with a weight is exactly 1."""
    total, sum_so_far, bounds = sum(weights), 0.0, []
    for weight in weights:
        sum_so_far += weight
        bounds.append(sum_so_far / total)
    last = max(index for index, weight in enumerate(weights) if weight > 0.0)
    return [1.0 if index >= last else min(bound, 1.0) for index, bound in enumerate(bounds)]


def _first_above(number: float, bounds: Sequence[float]) -> int:
    return next(index for index, bound in enumerate(bounds) if number < bound)
