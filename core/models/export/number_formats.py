"""Number formats of weights: bytes to float32, and float32 rounded once to the format that is written."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
FloatFormat = Literal["F32", "F16", "BF16"]
"""The formats of weights, by their names in safetensors."""
FLOAT_BYTES: dict[str, int] = {"F32": 4, "F16": 2, "BF16": 2}
"""Bytes of one weight."""

LARGEST_F16 = 65504.0
"""The largest number of the format F16."""


class NumberTooLarge(ValueError):
    """A weight is not finite in the format it is written in."""


def to_float32(raw: bytes, dtype: str) -> Array:
    """The weights in `raw` as float32, exactly. dtype: a `FloatFormat`. Shape (n,)."""
    if dtype == "BF16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(raw, "<f2" if dtype == "F16" else "<f4").astype(np.float32)


def from_float32(values: Array, dtype: str) -> Array:
    """The float32 `values` rounded to the nearest number of `dtype`, halves to even; bfloat16 as uint16. The shape
    stays. Raises NumberTooLarge where one is not finite in that format."""
    if dtype == "F32":
        rounded = values.astype("<f4")
        finite = bool(np.isfinite(rounded).all())
    elif dtype == "F16":
        with np.errstate(over="ignore"):
            rounded = values.astype("<f2")
        finite = bool(np.isfinite(rounded).all())
    else:
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        rounded = ((bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16).astype("<u2")
        finite = not bool(((rounded & 0x7F80) == 0x7F80).any())
    if not finite:
        raise NumberTooLarge(dtype)
    return rounded


def rounded_to(values: Array, dtype: str) -> Array:
    """The float32 `values` after rounding to `dtype`, as float32 again."""
    if dtype == "F32":
        return values
    return to_float32(from_float32(values, dtype).tobytes(), dtype).reshape(values.shape)
