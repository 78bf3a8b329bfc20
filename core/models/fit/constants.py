"""What the two libraries keep in memory, as numbers: those of the formulas in `parts`, and what was left to measure.

What a layer keeps follows from the libraries' code and was confirmed by `bench.fit`, which measured on a GPU how much a
layer keeps without checkpointing; what comes and goes is fitted to its peaks (`bench/fit_measured.json`). What is
reserved for a layer and what is reserved for the scores is not shared, since the sizes of their blocks differ: both
count.
"""

from __future__ import annotations

import msgspec

GIB = 1 << 30
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Of a weight in NF4 with double quantisation: half a byte, one byte for 64 weights, four for 64 x 256."""
CONTEXT_BYTES = int(0.67 * GIB)
"""What a process takes of a GPU besides the allocator's memory: CUDA's context and the libraries' kernels (H100)."""
PROCESS_BYTES = int(0.7 * GIB)
"""Python, torch and transformers themselves in main memory, measured on a CPU."""


DOUBT_OF_WEIGHTS, DOUBT_OF_REST, DOUBT_BYTES = 0.01, 0.13, GIB // 32
"""How far a peak may be from the estimate: shares of the weights and of all else, and some bytes. The peaks that were
measured are within 0.1 of all that is not a weight."""


class BackendConstants(msgspec.Struct, frozen=True, kw_only=True):
    """One library's memory. Vectors are of 2 bytes an element; those of 32 bit count twice."""

    stream_width: int
    """Bytes of an element of the hidden states between layers."""
    unquantised_width: int
    """Bytes of a weight that is not quantised."""
    adapter_width: int
    """Bytes of an adapter's weight, and of its gradient."""
    kept_hidden: float
    """Vectors of the hidden width that one layer keeps of a token for its backward pass."""
    kept_inner: float
    """The same of the MLP's width."""
    kept_query: float
    """The same of the width of all query heads."""
    kept_narrow: float
    """The same of the width of all key heads."""
    passing_hidden: float
    """Vectors of the hidden width that come and go at the peak of a layer's backward pass."""
    passing_inner: float
    """The same of the MLP's width."""
    dequantised: float
    """Copies in 16 bit of the largest weight at that peak, and those that stay for the next."""
    offloaded_inputs: int
    """Inputs of layers on the GPU with gradient checkpointing, the others being in main memory; 0: all stay there."""
    fixed_gib: float
    """What it takes whatever the model is."""


TRANSFORMERS_4BIT = BackendConstants(
    stream_width=4,  # embeddings and norms are in 32 bit, so are the outputs of quantised layers
    unquantised_width=4,
    adapter_width=2,  # TRL casts the adapter of a quantised model
    kept_hidden=7.0,
    kept_inner=7.0,
    kept_query=3.0,
    kept_narrow=2.0,
    passing_hidden=1.0,
    passing_inner=5.5,
    dequantised=0.0,  # it comes when others have gone
    offloaded_inputs=0,
    fixed_gib=0.06,
)
TRANSFORMERS_16BIT = BackendConstants(
    stream_width=2,
    unquantised_width=2,
    adapter_width=4,
    kept_hidden=7.0,
    kept_inner=4.5,
    kept_query=3.0,
    kept_narrow=2.0,
    passing_hidden=0.5,
    passing_inner=4.0,
    dequantised=0.0,
    offloaded_inputs=0,
    fixed_gib=0.06,
)
UNSLOTH = BackendConstants(
    stream_width=2,
    unquantised_width=2,
    adapter_width=4,
    kept_hidden=4.0,
    kept_inner=2.0,
    kept_query=2.0,
    kept_narrow=2.0,
    passing_hidden=3.0,
    passing_inner=1.06,
    dequantised=2.1,  # one in a buffer that stays, one in a layer's backward pass
    offloaded_inputs=2,
    fixed_gib=0.09,
)
