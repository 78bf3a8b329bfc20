"""The settings of a training on which loading its model depends, and whether it fits into memory with them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.models.backend import Backend
from core.models.device_memory import device_memory, placement_of
from core.models.fit.memory import FitCheck, check_fits
from core.models.fit.training_shape import TrainingShape


class LoraSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the adapter to train, including those of its first weights and its memory."""

    r: int
    """Rank of the two factors."""
    alpha: int
    """Scale of the update: alpha / r, or alpha / sqrt(r) with `use_rslora`."""
    dropout: float
    """Probability from 0 to 1 that an input of the adapter is dropped in training."""
    target_modules: tuple[str, ...]
    """Names of the modules that get an adapter (`q_proj`)."""
    bias: str
    """Which biases are trained, in PEFT's words: `none`, `all` or `lora_only`."""
    use_rslora: bool
    """Whether the update is scaled by alpha / sqrt(r) (rank-stabilised LoRA, arXiv:2312.03732)."""
    seed: int
    """Seed of the adapter's first weights."""
    batch_size: int
    """Rows in a batch."""
    tokens: int
    """Tokens of the longest row."""
    max_seq_length: int
    """The most tokens that a row may have."""
    gradient_checkpointing: bool
    """Whether activations are recomputed in the backward pass, which saves memory and costs time."""
    dtype: str = "auto"
    """The number format of weights that are not quantised (`bfloat16`); `auto`: see `dtype_name`."""
    packed: bool = False
    """Whether rows are packed where the model allows it. On CUDA that needs the model as transformers has it, without
    Unsloth's changes."""
    optim: str = "auto"
    """The optimizer's name in a specification, for the estimate of memory."""
    weighted: bool = False
    """Whether sections are weighted in the loss, for the same."""


def check_fits_training(
    folder: Path, backend: Backend, lora: LoraSettings, insist: bool
) -> tuple[LoraSettings, FitCheck]:
    """`lora`, without gradient checkpointing, which takes a third more time, where the model fits without it; with
    Unsloth, which has its own, as it is. And the estimate. Raises ModelError where not even the weights fit."""

    def check(checkpointing: bool) -> tuple[LoraSettings, FitCheck]:
        fit = check_fits(
            folder,
            placement_of(backend, lora.dtype),
            training_shape(msgspec.structs.replace(lora, gradient_checkpointing=checkpointing)),
            device_memory(backend.device, backend.machine),
            insist=insist,
        )
        return msgspec.structs.replace(lora, gradient_checkpointing=checkpointing), fit

    if lora.gradient_checkpointing and (backend.device == "cpu" or lora.packed):
        without = check(False)
        if without[1].verdict == "fits":
            return without
    return check(lora.gradient_checkpointing)


def training_shape(lora: LoraSettings) -> TrainingShape:
    """The settings on which the memory depends."""
    return TrainingShape(
        batch_size=lora.batch_size,
        tokens=lora.tokens,
        r=lora.r,
        target_modules=lora.target_modules,
        gradient_checkpointing=lora.gradient_checkpointing,
        optim=lora.optim,
        weighted=lora.weighted,
    )
