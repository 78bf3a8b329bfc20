"""What the two libraries keep in memory, as numbers: those of the formulas in `parts`, and what was left to measure.

Whole numbers follow from what the libraries' code keeps for the backward pass; the others are fitted to the peaks in
`measured.json`, which `bench.fit` measured on a GPU.
"""

from __future__ import annotations

import msgspec

GIB = 1 << 30
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Of a weight in NF4 with double quantisation: half a byte, one byte for 64 weights, four for 64 x 256."""
CONTEXT_BYTES = int(0.55 * GIB)
"""What a process takes of a GPU besides the allocator's memory: CUDA's context and the libraries' kernels."""
PROCESS_BYTES = int(0.7 * GIB)
"""Python, torch and transformers themselves in main memory, measured on a CPU."""


class BackendConstants(msgspec.Struct, frozen=True, kw_only=True):
    """One library's memory, per token and per byte."""

    stream_width: int
    """Bytes of an element of the hidden states between layers, with the weights in NF4."""
    unquantised_width: int
    """Bytes of a weight that is not quantised, where the others are in NF4."""
    kept_hidden: float
    """Hidden vectors of 2 bytes that one layer keeps for its backward pass."""
    kept_inner: float
    """The same for vectors of the MLP's width."""
    kept_query: float
    """The same for vectors of the width of all query heads."""
    kept_narrow: float
    """The same for vectors of the width of all key heads."""
    passing_inner: float
    """Vectors of the MLP's width that come and go at the peak of a layer's backward pass."""
    dequantised: float
    """Copies in 16 bit of the largest weight at that peak, with the weights in NF4."""
    checkpoint_on_gpu: float
    """Share of the layers' inputs that stay on the GPU with gradient checkpointing; the others go to main memory."""
    slack: float
    """What the allocator reserves above what is used, as a share of all that is not a weight."""
    fixed_gib: float
    """What it takes whatever the model is: workspaces of the libraries."""
    low: float
    """The lower end of what was measured, as a share of the estimate."""
    high: float
    """The upper end."""


TRANSFORMERS = BackendConstants(
    stream_width=4,
    unquantised_width=4,
    kept_hidden=7.0,
    kept_inner=4.0,
    kept_query=3.0,
    kept_narrow=2.0,
    passing_inner=2.0,
    dequantised=1.0,
    checkpoint_on_gpu=1.0,
    slack=0.1,
    fixed_gib=0.1,
    low=0.9,
    high=1.1,
)
UNSLOTH = BackendConstants(
    stream_width=2,
    unquantised_width=2,
    kept_hidden=4.0,
    kept_inner=2.0,
    kept_query=2.0,
    kept_narrow=2.0,
    passing_inner=1.0,
    dequantised=1.0,
    checkpoint_on_gpu=0.0,
    slack=0.1,
    fixed_gib=0.1,
    low=0.9,
    high=1.1,
)
