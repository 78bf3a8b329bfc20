"""Estimates the memory that a model needs from its file headers, and compares it with the free memory.

The estimate is arithmetic over shapes. It refuses impossible loads (a 200 GB model on a laptop) before a weight is
read. It is not a measurement: activations depend on unknown kernels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError
from core.models.resolve import read_model_config
from core.models.weights import TensorHeader, read_tensors

GIB = 1 << 30
# Bytes of a 4-bit weight and its share of the scales: one of 8.127 bits (double quantisation) for 64 weights, and
# slack.
_NF4_BYTES = 0.5 + 4.127 / 64
# Python, torch and transformers themselves, measured on a CPU. A CUDA context takes as much of the GPU.
_PROCESS_BYTES = int(0.7 * GIB)
_LORA_STATE_BYTES = 16  # for each trained parameter: weight, gradient and two moments in float32


class TrainingShape(msgspec.Struct, frozen=True, kw_only=True):
    """The settings on which the memory of a training step depends, besides the weights."""

    batch_size: int
    """Rows in a batch."""
    tokens: int
    """Tokens of the longest row; all rows of the batch count with this length."""
    r: int
    """The adapter's rank."""
    target_modules: tuple[str, ...]
    """Names of the modules that get an adapter (`q_proj`)."""
    gradient_checkpointing: bool
    """Whether activations are recomputed in the backward pass."""


class MemoryNeed(msgspec.Struct, frozen=True):
    """The memory that a model needs, by purpose."""

    weights: int
    """Bytes of the model's weights."""
    adapter: int
    """Bytes of the adapter's parameters, with gradients and optimizer state."""
    activations: int
    """Bytes of the activations for the backward pass, and of the scores over the vocabulary."""
    process: int = _PROCESS_BYTES
    """Bytes of the process itself."""

    @property
    def total(self) -> int:
        """The sum, in bytes."""
        return self.weights + self.adapter + self.activations + self.process


def needed_bytes(folder: Path, *, four_bit: bool, width: int, training: TrainingShape | None = None) -> MemoryNeed:
    """The memory for the model in `folder` when it is loaded, or trained with `training`. width: bytes of a weight that
    stays unquantised (2 or 4). Raises ModelError."""
    tensors = read_tensors(folder)
    weights = sum(_weight_bytes(name, tensor, four_bit, width) for name, tensor in tensors.items())
    if training is None:
        return MemoryNeed(int(weights), 0, 0)
    parameters = sum(
        sum(tensor.shape) * training.r
        for name, tensor in tensors.items()
        if len(tensor.shape) == 2 and _is_target(name, training.target_modules)
    )
    return MemoryNeed(
        int(weights), parameters * _LORA_STATE_BYTES, _activation_bytes(read_model_config(folder), training, width)
    )


def _weight_bytes(name: str, tensor: TensorHeader, four_bit: bool, width: int) -> float:
    if tensor.dtype in ("U8", "I8") or tensor.dtype.startswith("F8"):
        return tensor.elements  # already quantised in the file, and stays so
    unquantised = any(word in name for word in ("embed", "lm_head", "norm"))
    is_nf4 = four_bit and len(tensor.shape) == 2 and not unquantised
    return tensor.elements * (_NF4_BYTES if is_nf4 else width)


def _is_target(name: str, modules: tuple[str, ...]) -> bool:
    return name.removesuffix(".weight").rpartition(".")[2] in modules


def _activation_bytes(config: dict[str, Any], training: TrainingShape, width: int) -> int:
    """Bytes for the backward pass: per token and layer about ten vectors of the hidden size and four of the inner size;
    with checkpointing one vector per layer, and all of one layer. The scores over the vocabulary are in float32, with
    their softmax and gradient."""
    text = config.get("text_config") if isinstance(config.get("text_config"), dict) else config
    hidden, layers = _number(text, "hidden_size", 4096), _number(text, "num_hidden_layers", 32)
    inner, vocabulary = _number(text, "intermediate_size", 4 * hidden), _number(text, "vocab_size", 32_000)
    tokens = training.batch_size * training.tokens
    layer = (10 * hidden + 4 * inner) * width
    per_token = layers * hidden * width + layer if training.gradient_checkpointing else layers * layer
    scores = min(tokens * vocabulary * 12, 2 * GIB)  # kernels on a GPU process the vocabulary in parts
    return tokens * per_token + scores


def _number(config: Any, key: str, default: int) -> int:
    value = config.get(key)
    return value if isinstance(value, int) and value > 0 else default


def available_bytes(device: str) -> int:
    """Free bytes on `device`: on a GPU from CUDA, otherwise main memory that is available without swapping, within the
    limit of this process's control group. For a GPU this imports torch."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    import psutil

    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = (group / "memory.max").read_text().strip(), int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return min(free, max(0, int(limit) - used)) if limit.isdigit() else free


def check_fits(
    folder: Path, device: str, *, four_bit: bool, width: int, training: TrainingShape | None = None, freed: int = 0
) -> MemoryNeed:
    """The needed memory, where `device` has it free. freed: bytes that are given back before. Raises ModelError with
    both numbers and a smaller setting to try."""
    need = needed_bytes(folder, four_bit=four_bit, width=width, training=training)
    free = available_bytes(device) + freed
    if need.total <= free:
        return need
    memory = "on the GPU" if device.startswith("cuda") else "of main memory"
    what = f"the model needs about {_gib(need.total)} GiB, and {_gib(free)} GiB {memory} are free"
    raise ModelError(what, str(folder), _smaller_setting(folder, need, free, device, four_bit, width, training))


def _smaller_setting(
    folder: Path, need: MemoryNeed, free: int, device: str, four_bit: bool, width: int, training: TrainingShape | None
) -> str:
    if training is not None and need.total - need.activations < free:
        settings = ["train.batch_size"] if training.batch_size > 1 else []
        settings += ["prompt.max_seq_length"]
        smaller = f"Lower {' or '.join(settings)} (now {training.batch_size} rows of up to {training.tokens} tokens)"
        return smaller if training.gradient_checkpointing else f"Set train.gradient_checkpointing = true. {smaller}"
    if device.startswith("cuda") and not four_bit:
        quantised = needed_bytes(folder, four_bit=True, width=width, training=training)
        if quantised.total <= free:
            return "Set model.load_in_4bit = true"
    billions = max(0.0, free - _PROCESS_BYTES) * 0.8 / (_NF4_BYTES if four_bit else width) / 1e9
    return (
        f"Choose a model of at most about {billions:.1f} billion parameters, or end other programs that use the memory"
    )


def _gib(count: int) -> str:
    return f"{count / GIB:.1f}"
