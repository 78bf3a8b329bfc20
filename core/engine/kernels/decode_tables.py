"""The structs of `decode_step.cu`, as ctypes sees them: a matrix, a layer, and the kernel's parameter."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from core.models.nf4_values import NF4_VALUES

POINTERS = (
    "layers",
    "embedding",
    "head",
    "final_norm",
    "cosines",
    "sines",
    "code",
    "pairs",
    "hidden",
    "qkv",
    "mixed",
    "inner",
    "logits",
    "tails",
    "lora_parts",
    "chunk_sums",
    "chunk_norms",
    "chunk_counts",
    "best_scores",
    "best_tokens",
    "counters",
    "times",
    "tokens",
    "lengths",
    "live",
    "slots",
)
"""The pointers of the kernel's parameter, in order."""
MATRICES = ("q", "k", "v", "o", "gate", "up", "down")
"""The matrices of a layer, in order."""
LAYER_POINTERS = ("norm1", "norm2", "q_norm", "k_norm", "keys", "values")
"""The further pointers of a layer, in order."""


@cache
def matrix_struct(slots: int) -> Any:
    """The struct of a matrix with this many LoRA slots."""

    class Matrix(ctypes.Structure):
        _fields_ = (
            ("weight", ctypes.c_uint64),
            ("absmax", ctypes.c_uint64),
            ("absmax2", ctypes.c_uint64),
            ("bias", ctypes.c_uint64),
            ("offset", ctypes.c_float),
            ("first_block", ctypes.c_int32),
            ("a", ctypes.c_uint64 * slots),
            ("b", ctypes.c_uint64 * slots),
            ("scale", ctypes.c_float * slots),
        )

    return Matrix


@cache
def layer_struct(slots: int) -> Any:
    """The struct of a layer with this many LoRA slots."""
    matrix = matrix_struct(slots)

    class Layer(ctypes.Structure):
        _fields_ = (
            *((name, matrix) for name in MATRICES),
            *((name, ctypes.c_uint64) for name in LAYER_POINTERS),
        )

    return Layer


@cache
def parameter_struct(slots: int) -> Any:
    """The struct of the kernel's parameter with this many LoRA slots."""

    class Parameters(ctypes.Structure):
        _fields_ = (
            *((name, ctypes.c_uint64) for name in POINTERS),
            ("ranks", ctypes.c_int32 * slots),
            ("capacity", ctypes.c_int32),
            ("use_lora", ctypes.c_int32),
        )

    return Parameters


def nf4_pairs() -> list[int]:
    """For each byte of packed NF4, its two values as fp16 bits: the high nibble, which is the earlier element, in the
    low half of the word."""
    import struct

    halves = [int.from_bytes(struct.pack("<e", value), "little") for value in NF4_VALUES]
    return [halves[byte >> 4] | halves[byte & 15] << 16 for byte in range(256)]
