"""Reads a LoRA adapter as PEFT writes it, as updates of the base model's tensors, and refuses what cannot be merged.

The update of a weight is scale * B @ A, where scale is alpha / r, or alpha / sqrt(r) for rank-stabilised adapters
(arXiv:2106.09685, arXiv:2312.03732).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.base.errors import ModelError
from core.base.safe_text import safe_line
from core.models.export.model_tensors import StoredTensors
from core.models.export.number_formats import FLOAT_BYTES, Array
from core.models.weights import TensorHeader

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_FACTOR = re.compile(r"^(?P<module>.+)\.lora_(?P<factor>[AB])(?:\.[^.]+)?\.weight$")
# Beginnings that leave the base model's weights as they are.
_PLAIN_BEGINNINGS = (True, False, None, "gaussian", "orthogonal", "eva")
_CHOOSE = "Export another run, or the adapter as it is with `--to adapter`"


class LoraUpdate(msgspec.Struct, frozen=True):
    """What an adapter adds to one weight."""

    a: Any
    """The factor A, float32, shape (r, columns)."""
    b: Any
    """The factor B, float32, shape (rows, r)."""
    scale: float
    """The factor of B @ A."""

    def rows(self, start: int, stop: int) -> Array:
        """The rows `start` to `stop` of the update, float32."""
        update: Array = (self.b[start:stop] @ self.a) * np.float32(self.scale)
        return update


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """The adapter's settings. Raises ModelError."""
    path = folder / ADAPTER_CONFIG
    try:
        config = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        what = f"there is no adapter here ({error.strerror})"
        raise ModelError(what, str(path), "Name a run that has saved its adapter") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = f"the adapter's settings cannot be read ({error})"
        raise ModelError(what, str(path), "Copy the adapter again") from error
    return config


def check_mergeable(config: Mapping[str, Any], where: str) -> None:
    """Raise ModelError, with the setting's name, where an adapter of this configuration is more than an update of
    weights."""
    kind = config.get("peft_type", "LORA")
    if kind != "LORA":
        raise ModelError(f"an adapter of kind {safe_line(str(kind), 40)} cannot be merged, only LoRA", where, _CHOOSE)
    refused = {
        "use_dora": "DoRA scales whole columns",
        "use_qalora": "it was trained on grouped inputs",
        "fan_in_fan_out": "its weights are transposed",
        "modules_to_save": "it replaces whole modules",
        "trainable_token_indices": "it replaces rows of the embeddings",
        "target_parameters": "it changes parameters that are no linear layers",
        "layer_replication": "it repeats layers",
        "alora_invocation_tokens": "it switches itself on by tokens",
        "lora_bias": "it has biases of its own",
    }
    for key, why in refused.items():
        if config.get(key):
            raise ModelError(f"the adapter cannot be merged: {why} ({key})", where, _CHOOSE)
    if config.get("bias", "none") != "none":
        raise ModelError("the adapter cannot be merged: it changes biases of the base model (bias)", where, _CHOOSE)
    beginning = config.get("init_lora_weights", True)
    if beginning not in _PLAIN_BEGINNINGS:
        what = f"the adapter changed the base model's weights when it began (init_lora_weights = {beginning!r})"
        raise ModelError(what, where, _CHOOSE)


def lora_scale(config: Mapping[str, Any], module: str) -> float:
    """The factor of B @ A for `module`, by the adapter's settings and its patterns for single modules."""
    rank = _for_module(config.get("rank_pattern"), module, config.get("r", 8))
    alpha = _for_module(config.get("alpha_pattern"), module, config.get("lora_alpha", 8))
    return float(alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank)


def _for_module(pattern: Any, module: str, default: float) -> float:
    for key, value in (pattern or {}).items():
        if re.fullmatch(rf"(?:.*\.)?(?:{key})", module):
            return float(value)
    return float(default)


def read_lora_updates(folder: Path, model: Mapping[str, TensorHeader]) -> dict[str, LoraUpdate]:
    """The updates of the adapter in `folder`, by the name of the base model's tensor. model: the base model's tensors.
    Every tensor of the adapter is used. Raises ModelError where one does not fit the base model."""
    config = read_adapter_config(folder)
    path = folder / ADAPTER_WEIGHTS
    check_mergeable(config, str(folder))
    if not path.is_file():
        raise ModelError("there is no complete adapter here", str(path), "Name a run that has saved its adapter")
    factors: dict[str, dict[str, Array]] = {}
    with StoredTensors([path]) as stored:
        for name, header in stored.headers.items():
            match = _FACTOR.match(name)
            if match is None or header.dtype not in FLOAT_BYTES:
                what = f"the adapter has a tensor that is no LoRA factor: {safe_line(name, 120)}"
                raise ModelError(what, str(path), _CHOOSE)
            module = match["module"].removeprefix(_PREFIX)
            factors.setdefault(module, {})[match["factor"]] = stored.whole(name)
    if not factors:
        raise ModelError("the adapter has no weights", str(path), "Name a run that has saved its adapter")
    names = _tensor_names(model)
    updates: dict[str, LoraUpdate] = {}
    for module, pair in factors.items():
        tensor = names.get(f"{module}.weight")
        if tensor is None or set(pair) != {"A", "B"}:
            lacks = "the base model has no such layer" if tensor is None else "one of its two factors is missing"
            raise ModelError(f"the adapter does not fit: {lacks}", safe_line(module, 120), "Choose its own base model")
        a, b = pair["A"], pair["B"]
        if a.ndim != 2 or b.ndim != 2 or [b.shape[0], a.shape[1]] != model[tensor].shape or a.shape[0] != b.shape[1]:
            what = f"the adapter's shape ({b.shape[0]} x {a.shape[-1]}) is not that of the base model's layer"
            raise ModelError(what, safe_line(module, 120), "Choose its own base model")
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise ModelError("the adapter has weights that are no numbers", safe_line(module, 120), _CHOOSE)
        updates[tensor] = LoraUpdate(a, b, lora_scale(config, module))
    return updates


def _tensor_names(model: Mapping[str, TensorHeader]) -> dict[str, str]:
    """The base model's tensors by the names of modules in a loaded model: a folder may leave out the first `model.`."""
    if any(name.startswith("model.") for name in model):
        return {name: name for name in model}
    return {f"model.{name}": name for name in model} | {name: name for name in model}
