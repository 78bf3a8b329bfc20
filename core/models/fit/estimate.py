"""The estimate: how much memory a training takes at its peak, between which limits, and whether that fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from core.models.fit.constants import CONTEXT_BYTES, DOUBT_BYTES, DOUBT_OF_REST, DOUBT_OF_WEIGHTS, GIB
from core.models.fit.measured_peaks import MeasuredPeak
from core.models.fit.model_shape import ModelShape
from core.models.fit.parts import MemoryParts, memory_parts
from core.models.fit.training_shape import Placement, TrainingShape

Verdict = Literal["fits", "tight", "does not fit"]
_MAIN_MEMORY = (0.8, 1.25)  # what else a process takes there depends on threads and libraries
_FROM_CONFIG = 0.02  # of what config.json does not say
_UNKNOWN_FAMILY = 0.25
_EXPERTS = 0.15
_WEIGHTED = 0.1  # a loss of our own, which was not measured on a GPU


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """The memory of one training, or of a model that is only loaded."""

    parts: MemoryParts
    """By purpose; their sum is the estimate."""
    total: int
    """Bytes at the peak: on a GPU what the allocator reserves, in main memory all of the process."""
    low: int
    """It hardly takes less."""
    high: int
    """It hardly takes more."""
    least: int
    """What it takes where memory is short: the allocator then uses for the scores what it has reserved for a layer."""
    context: int
    """Bytes that come on top on a GPU: CUDA's context."""
    measured: int = 0
    """How many earlier runs with the same settings corrected it."""

    @property
    def gib(self) -> float:
        """The total in GiB."""
        return self.total / GIB

    def verdict(self, free: int) -> Verdict:
        """Whether it fits into `free` bytes."""
        if self.high + self.context <= free:
            return "fits"
        return "does not fit" if self.least + self.context > free else "tight"


def estimate_memory(
    shape: ModelShape,
    placement: Placement,
    training: TrainingShape | None,
    measured_peaks: Sequence[MeasuredPeak] = (),
) -> Estimate:
    """The estimate for `shape`. measured_peaks: of earlier runs of this model with these settings, the newest last. One
    of a pass of the same size stands above any formula; others of a similar size correct it."""
    parts = memory_parts(shape, placement, training)
    total = parts.total
    doubt = (0.0 if shape.is_exact else _FROM_CONFIG) + (0.0 if shape.is_known else _UNKNOWN_FAMILY)
    doubt += _EXPERTS if any(matrix.is_expert for matrix in shape.matrices) else 0.0
    if placement.on_gpu:
        context = CONTEXT_BYTES
        doubt += _WEIGHTED if training is not None and training.weighted else 0.0
        spread = DOUBT_BYTES + DOUBT_OF_WEIGHTS * parts.weights + DOUBT_OF_REST * (total - parts.weights)
        below = above = spread + doubt * total
    else:
        context, below, above = 0, (1 - _MAIN_MEMORY[0] + doubt) * total, (_MAIN_MEMORY[1] - 1 + doubt) * total
    count = 0
    if training is not None and measured_peaks:
        corrected = _corrected(shape, placement, training, measured_peaks)
        if corrected is not None:
            total, low, high, count = corrected
            below, above = (1 - low) * total, (high - 1) * total
    # Nothing takes less than its weights.
    floor = parts.weights if not count else 0
    low_total = max(int(total - below), floor)
    return Estimate(
        parts=parts,
        total=total,
        low=low_total,
        high=max(int(total + above), floor),
        least=max(low_total - min(parts.logits, parts.activations), floor),
        context=context,
        measured=count,
    )


def _corrected(
    shape: ModelShape, placement: Placement, training: TrainingShape, peaks: Sequence[MeasuredPeak]
) -> tuple[int, float, float, int] | None:
    """Total, low and high as shares of it, and how many peaks they rest on; None where none is of a similar size."""
    same = [peak.peak for peak in peaks if (peak.batch_size, peak.tokens) == (training.batch_size, training.tokens)]
    if same:
        return same[-1], min(same) / same[-1] * 0.98, max(same) / same[-1] * 1.03, len(same)
    size = training.batch_size * training.tokens
    near = [peak for peak in peaks if size / 2 <= peak.batch_size * peak.tokens <= size * 2]
    if not near:
        return None
    nearest = min(reversed(near), key=lambda peak: abs(peak.batch_size * peak.tokens - size))
    theirs = msgspec.structs.replace(training, batch_size=nearest.batch_size, tokens=nearest.tokens)
    ratio = nearest.peak / memory_parts(shape, placement, theirs).total
    return int(memory_parts(shape, placement, training).total * ratio), 0.95, 1.05, 1
