"""Whether a model fits: an estimate of the bytes it needs, made from file headers alone, against the bytes that are
free.

The estimate is arithmetic over shapes, meant to refuse what cannot work (a 200 GB model on a laptop) before anything is
read. It is no measurement: activations depend on kernels it does not know.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError
from core.models.resolve import read_config
from core.models.weights import Tensor, tensors

GIB = 1 << 30
_NF4 = (
    0.5 + 4.127 / 64
    # bytes of a 4-bit weight with its share of the scales: one of 8.127 bits (doubly quantised) for 64 weights, and slack
)
_PROCESS = int(
    0.7 * GIB
)  # python, torch and transformers themselves, measured on a CPU; a CUDA context takes as much of the GPU
_LORA_STATE = 16  # bytes for each trained number: weight, gradient and two moments in float32


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What a training step holds beyond the weights. tokens: the longest row's, and as many for every row of the
    batch."""

    batch_size: int
    tokens: int
    r: int
    target_modules: tuple[str, ...]
    gradient_checkpointing: bool


class Need(msgspec.Struct, frozen=True):
    """Bytes, by what takes them."""

    weights: int
    adapter: int
    activations: int
    process: int = _PROCESS

    @property
    def total(self) -> int:
        return self.weights + self.adapter + self.activations + self.process


def needed_bytes(folder: Path, *, four_bit: bool, width: int, training: Training | None = None) -> Need:
    """What the model in `folder` takes once loaded; width: bytes of a weight that stays unquantised (2 or 4). Raises
    ModelError."""
    found = tensors(folder)
    weights = sum(_resident(name, tensor, four_bit, width) for name, tensor in found.items())
    if training is None:
        return Need(int(weights), 0, 0)
    lora = sum(
        sum(tensor.shape) * training.r
        for name, tensor in found.items()
        if len(tensor.shape) == 2 and _is_target(name, training.target_modules)
    )
    return Need(int(weights), lora * _LORA_STATE, _activations(read_config(folder), training, width))


def _resident(name: str, tensor: Tensor, four_bit: bool, width: int) -> float:
    if tensor.dtype in ("U8", "I8") or tensor.dtype.startswith("F8"):
        return tensor.elements  # quantised in the file: it stays so
    kept = any(word in name for word in ("embed", "lm_head", "norm"))
    return tensor.elements * (_NF4 if four_bit and len(tensor.shape) == 2 and not kept else width)


def _is_target(name: str, modules: tuple[str, ...]) -> bool:
    return name.removesuffix(".weight").rpartition(".")[2] in modules


def _activations(config: dict[str, Any], training: Training, width: int) -> int:
    """What backward needs: per token and layer about ten vectors of the hidden size and four of the inner one; with
    checkpointing one vector per layer, and one layer's whole. The scores over the vocabulary come in float32, with
    their softmax and gradient."""
    text = config.get("text_config") if isinstance(config.get("text_config"), dict) else config
    hidden, layers = _number(text, "hidden_size", 4096), _number(text, "num_hidden_layers", 32)
    inner, vocabulary = _number(text, "intermediate_size", 4 * hidden), _number(text, "vocab_size", 32_000)
    tokens = training.batch_size * training.tokens
    layer = (10 * hidden + 4 * inner) * width
    held = layers * hidden * width + layer if training.gradient_checkpointing else layers * layer
    scores = min(tokens * vocabulary * 12, 2 * GIB)  # kernels on a GPU go through the vocabulary in parts
    return tokens * held + scores


def _number(config: Any, key: str, default: int) -> int:
    value = config.get(key)
    return value if isinstance(value, int) and value > 0 else default


def available_bytes(device: str) -> int:
    """Bytes free on `device`: of a GPU what CUDA says, else main memory that can be had without swapping, within this
    process's control group.

    For a GPU this imports torch.
    """
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


def check_fits(folder: Path, device: str, *, four_bit: bool, width: int, training: Training | None = None) -> Need:
    """The need, where it fits what is free on `device`. Raises ModelError saying both and a smaller setting to try."""
    need, free = needed_bytes(folder, four_bit=four_bit, width=width, training=training), available_bytes(device)
    if need.total <= free:
        return need
    place = "on the GPU" if device.startswith("cuda") else "of main memory"
    what = f"the model needs about {_gib(need.total)} GiB and {_gib(free)} GiB {place} are free"
    raise ModelError(what, str(folder), _smaller(folder, need, free, device, four_bit, width, training))


def _smaller(
    folder: Path, need: Need, free: int, device: str, four_bit: bool, width: int, training: Training | None
) -> str:
    if training is not None and need.total - need.activations < free:
        settings = ["train.batch_size"] if training.batch_size > 1 else []
        settings += ["prompt.max_seq_length"]
        smaller = f"Lower {' or '.join(settings)} (now {training.batch_size} rows of up to {training.tokens} tokens)"
        return smaller if training.gradient_checkpointing else f"Set train.gradient_checkpointing = true. {smaller}"
    if (
        device.startswith("cuda")
        and not four_bit
        and needed_bytes(folder, four_bit=True, width=width, training=training).total <= free
    ):
        return "Set model.load_in_4bit = true"
    billions = max(0.0, free - _PROCESS) * 0.8 / (_NF4 if four_bit else width) / 1e9
    return f"Choose a model of at most about {billions:.1f} billion parameters, or end what else uses the memory"


def _gib(count: int) -> str:
    return f"{count / GIB:.1f}"
