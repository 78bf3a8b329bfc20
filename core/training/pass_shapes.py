"""Shapes of packed passes: a recorded pass has a fixed one, so passes of nearly equal size share a shape that is filled
up. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from core.training.packed_rows import PackedRows

Array = np.ndarray[Any, np.dtype[Any]]
_LEAST = 64  # tokens between two shapes
_PER_MEAN = 10  # shapes up to the mean size of a pass: a pass is filled up by a twentieth on average


class PassShape(NamedTuple):
    """The sizes that are the same for all passes of one recording."""

    tokens: int
    """Tokens, those that fill up included."""
    trained: int
    """Trained tokens, those that fill up included."""
    rows: int
    """Rows, the one that fills up included."""
    longest: int
    """At least the tokens of the longest row."""


class FilledPass(NamedTuple):
    """A pass filled up to a shape. What fills up is a row of its own, without trained tokens."""

    integers: Array
    """Ids, positions, sources, targets, sections and ends, one after the other, int64."""
    weights: Array
    """Weights of the trained tokens, over the divisor; 0 for those that fill up; float32."""
    lengths: list[int]
    """Tokens of each row that has any."""


class ShapeGrid(msgspec.Struct, frozen=True):
    """The shapes of one run."""

    step: int
    """Tokens between two shapes."""
    share: float
    """How many of the tokens are trained, at most, in most passes."""
    rows: int
    """Rows of the largest pass."""
    longest: int
    """Tokens of the longest row."""

    def shape(self, rows: PackedRows) -> PassShape | None:
        """The smallest shape for a pass; None where it has more rows, or a longer one, than the run should have."""
        if len(rows.lengths) > self.rows or int(rows.lengths.max()) > self.longest:
            return None
        tokens = _up(rows.tokens, self.step)
        trained = _up(max(len(rows.targets), math.ceil(tokens * self.share)), _LEAST)
        return PassShape(tokens, trained, self.rows + 1, max(self.longest, self.step))


def shape_grid(updates: Sequence[PackedRows], rows: int, longest: int) -> ShapeGrid:
    """The grid for passes like `updates`. rows: the most of one pass. longest: tokens of the longest row of the run."""
    mean = sum(update.tokens for update in updates) / len(updates)
    share = max(len(update.targets) / update.tokens for update in updates)
    return ShapeGrid(_up(math.ceil(mean / _PER_MEAN), _LEAST), min(1.0, share * 1.05), rows, longest)


def fill_pass(rows: PackedRows, shape: PassShape, divisor: float, no_section: int) -> FilledPass:
    """`rows` filled up to `shape`. no_section: the section of trained tokens that fill up."""
    more, more_trained = shape.tokens - rows.tokens, shape.trained - len(rows.targets)
    ends = np.full(shape.rows + 1, shape.tokens, np.int64)
    ends[: len(rows.lengths) + 1] = rows.ends()
    nothing = np.zeros(more_trained, np.int64)
    integers = np.concatenate(
        [
            rows.ids,
            np.zeros(more, np.int64),
            rows.positions(),
            np.arange(more),
            rows.sources,
            nothing,
            rows.targets,
            nothing,
            rows.sections,
            np.full(more_trained, no_section),
            ends,
        ]
    )
    weights = np.concatenate([rows.weights / np.float32(divisor), np.zeros(more_trained, np.float32)])
    return FilledPass(integers, weights, [*rows.lengths.tolist(), *([more] if more else [])])


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
