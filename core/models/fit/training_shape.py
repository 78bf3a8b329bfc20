"""The settings of a training on which its memory depends, besides the model."""

from __future__ import annotations

from typing import Literal

import msgspec

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The seven projections of a usual layer."""
FitBackend = Literal["unsloth", "transformers"]


class TrainingShape(msgspec.Struct, frozen=True, kw_only=True):
    """The settings on which the memory of a training step depends, besides the weights."""

    batch_size: int
    """Rows in a batch."""
    tokens: int
    """Tokens of the longest row; all rows of the batch count with this length."""
    r: int
    """The adapter's rank."""
    target_modules: tuple[str, ...] = PROJECTIONS
    """Names of the modules that get an adapter (`q_proj`)."""
    gradient_checkpointing: bool
    """Whether activations are recomputed in the backward pass."""
    accumulation: int = 1
    """Passes of one optimizer step."""
    optim: str = "auto"
    """The optimizer, by its name in a specification."""
    weighted: bool = False
    """Whether sections are weighted in the loss, for which the scores of all tokens are needed at once."""


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how a model is held."""

    backend: FitBackend
    """The library."""
    on_gpu: bool
    """Whether the model is on a GPU and not in main memory."""
    four_bit: bool
    """Whether the linear layers are in NF4."""
    width: int = 2
    """Bytes of a weight that is not quantised: 2 or 4."""
