"""NF4, the 4-bit format of QLoRA (arXiv:2305.14314), computed with numpy: what a weight is after it was packed and
unpacked, as a run trained in 4 bit saw it.

Weights are scaled by the largest of each 64 and rounded to one of 16 numbers; the scales, less their mean, are packed
in 8 bits by the largest of each 256 (double quantisation).
"""

from __future__ import annotations

import msgspec
import numpy as np

from core.models.export.number_formats import Array
from core.models.nf4_values import NF4_VALUES

BLOCK = 64
"""Weights that share a scale."""
SCALE_BLOCK = 256
"""Scales that share a scale of their own."""
_VALUES = np.array(NF4_VALUES, np.float32)
_BORDERS = (_VALUES[1:] + _VALUES[:-1]) / 2


def scale_values() -> Array:
    """The 256 numbers of a packed scale, ascending, float32: seven decades, each with twice the steps of the one below
    (arXiv:2110.02861)."""
    positive: list[float] = []
    for decade in range(7):
        edges = _float32_steps(2**decade)
        middles = (edges[:-1] + edges[1:]) / 2
        positive += (np.float32(10.0 ** (decade - 6)) * middles).tolist()
    values = [*positive, *(-value for value in positive), 0.0, 1.0]
    return np.sort(np.array(values, np.float32))


def _float32_steps(count: int) -> Array:
    """The borders of `count` equal steps from 0.1 to 1, computed from both ends with a step in float32 as torch does:
    the numbers must be the same to the bit."""
    low, high = np.float32(0.1), np.float32(1.0)
    step = np.float64((high - low) / np.float32(count))
    numbers = np.arange(count + 1)
    edges = np.where(numbers < (count + 1) // 2, low + numbers * step, high - (count - numbers) * step)
    return edges.astype(np.float32)


_SCALES = scale_values()
_SCALE_BORDERS = (_SCALES[1:] + _SCALES[:-1]) / 2


class Nf4Scales(msgspec.Struct, frozen=True):
    """The scales of a tensor's blocks, after they were packed and unpacked."""

    exact: Array
    """The largest absolute value of each block, float32, shape (blocks,): rounding uses it."""
    unpacked: Array
    """The same as unpacking sees it."""


def block_maxima(values: Array) -> Array:
    """The largest absolute value of each block of the flat float32 `values`, whose length is a multiple of `BLOCK`, or
    which are a tensor's last."""
    flat = np.abs(values.reshape(-1))
    whole = len(flat) // BLOCK * BLOCK
    maxima = flat[:whole].reshape(-1, BLOCK).max(axis=1)
    return np.append(maxima, flat[whole:].max()).astype(np.float32) if whole < len(flat) else maxima


def packed_scales(maxima: Array) -> Nf4Scales:
    """The scales of a tensor whose blocks have these maxima."""
    offset = maxima.mean(dtype=np.float32)
    shifted = maxima - offset
    count = -(-len(shifted) // SCALE_BLOCK)
    padded = np.zeros(count * SCALE_BLOCK, np.float32)
    padded[: len(shifted)] = shifted
    groups = padded.reshape(count, SCALE_BLOCK)
    largest = np.abs(groups).max(axis=1, keepdims=True)
    relative = groups / np.where(largest == 0, np.float32(1), largest)
    nearest = _SCALES[np.searchsorted(_SCALE_BORDERS, relative)]
    return Nf4Scales(maxima, (nearest * largest).reshape(-1)[: len(shifted)] + offset)


def unpacked_values(values: Array, scales: Nf4Scales, first_block: int) -> Array:
    """The float32 `values` after packing and unpacking, in float32, same shape. first_block: the block with which they
    begin; they end with a block or with their tensor."""
    flat = values.reshape(-1)
    count = -(-len(flat) // BLOCK)
    padded = np.zeros(count * BLOCK, np.float32)
    padded[: len(flat)] = flat
    blocks = padded.reshape(count, BLOCK)
    exact = scales.exact[first_block : first_block + count, None]
    relative = blocks * (np.float32(1) / np.where(exact == 0, np.float32(1), exact))
    nearest = _VALUES[np.searchsorted(_BORDERS, relative)]
    unpacked: Array = nearest * scales.unpacked[first_block : first_block + count, None]
    return unpacked.reshape(-1)[: len(flat)].reshape(values.shape)
