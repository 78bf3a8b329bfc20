"""The models that Suiron writes as GGUF: their settings and tensors by llama.cpp's names.

llama.cpp rotates pairs of neighbouring dimensions in its `llama` architecture, transformers pairs of two halves: the
rows of the query and key projections are reordered there. Mistral is a `llama` to llama.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from core.base.errors import ModelError
from core.models.export.number_formats import Array

SUPPORTED_MODELS = ("llama", "mistral", "qwen2", "qwen3")
"""The `model_type` of configs that can be written."""
_ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
_INSTEAD = "Export it with `--to merged`, and convert that with the model's own tools"


class RopeScaling(msgspec.Struct, frozen=True):
    """How positions beyond the first training are scaled."""

    kind: str
    """`none`, `linear`, `yarn`, or `llama3`, which is written as a tensor of factors."""
    settings: dict[str, float]
    """The numbers of the kind, by their names in the config."""


class GgufShape(msgspec.Struct, frozen=True):
    """A model's settings, as far as GGUF has them."""

    architecture: str
    """Its name in llama.cpp."""
    layers: int
    """Decoder blocks."""
    hidden: int
    """Width of the residual stream."""
    feed_forward: int
    """Width inside the feed-forward layers."""
    heads: int
    """Query heads."""
    key_heads: int
    """Key and value heads."""
    head_size: int
    """Dimensions of a head."""
    context: int
    """The most tokens."""
    epsilon: float
    """Added to the variance in the norms."""
    rope_base: float
    """Base of the rotations' frequencies."""
    rope: RopeScaling
    """Scaling of the rotations."""
    vocabulary: int
    """Rows of the embeddings."""
    tied: bool
    """Whether the embeddings are the head too."""
    remarks: tuple[str, ...] = ()
    """What llama.cpp does differently, as clauses."""

    @property
    def permutes(self) -> bool:
        """Whether rows of query and key projections are reordered."""
        return self.architecture == "llama"

    def rope_factors(self) -> Array | None:
        """The divisor of each frequency for the kind `llama3`, float32, shape (head_size / 2,); None for others."""
        if self.rope.kind != "llama3":
            return None
        settings = self.rope.settings
        factor, context = settings["factor"], settings["original_max_position_embeddings"]
        low, high = settings["low_freq_factor"], settings["high_freq_factor"]
        exponents = np.arange(0, self.head_size, 2, dtype=np.float64) / self.head_size
        turns = context * self.rope_base**-exponents / (2 * math.pi)  # in the original context
        share = np.clip((turns - low) / (high - low), 0.0, 1.0)
        return (1 / ((1 - share) / factor + share)).astype(np.float32)


def gguf_shape(config: Mapping[str, Any], where: str) -> GgufShape:
    """The shape of a model by its config. Raises ModelError with the list of those that work, or with the setting that
    GGUF has no place for."""
    kind = str(config.get("model_type", ""))
    if kind not in _ARCHITECTURES:
        what = f"a model of the shape {kind or 'without a name'!r} cannot be written as GGUF here"
        raise ModelError(what, where, f"These can: {', '.join(SUPPORTED_MODELS)}. {_INSTEAD}")
    for key in ("attention_bias", "mlp_bias"):
        if config.get(key):
            raise ModelError(f"llama.cpp's {_ARCHITECTURES[kind]} has no place for {key}", where, _INSTEAD)
    if config.get("hidden_act", "silu") != "silu":
        raise ModelError(f"llama.cpp computes silu, and the model {config['hidden_act']}", where, _INSTEAD)
    heads = int(config["num_attention_heads"])
    hidden = int(config["hidden_size"])
    rope = config.get("rope_parameters") or {}
    remarks = []
    window = config.get("sliding_window")
    if window and (kind == "mistral" or config.get("use_sliding_window")):
        remarks.append(f"the model looks back {window} tokens, llama.cpp at all of them")
    return GgufShape(
        architecture=_ARCHITECTURES[kind],
        layers=int(config["num_hidden_layers"]),
        hidden=hidden,
        feed_forward=int(config["intermediate_size"]),
        heads=heads,
        key_heads=int(config.get("num_key_value_heads") or heads),
        head_size=int(config.get("head_dim") or (128 if kind == "qwen3" else hidden // heads)),
        context=int(config.get("max_position_embeddings", 2048)),
        epsilon=float(config.get("rms_norm_eps", 1e-6)),
        rope_base=float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0),
        rope=_rope_scaling(config.get("rope_scaling") or rope, where),
        vocabulary=int(config["vocab_size"]),
        tied=bool(config.get("tie_word_embeddings", False)),
        remarks=tuple(remarks),
    )


def _rope_scaling(rope: Mapping[str, Any], where: str) -> RopeScaling:
    kind = str(rope.get("rope_type") or rope.get("type") or "default")
    if kind in ("default", "none"):
        return RopeScaling("none", {})
    needed = {
        "linear": ("factor",),
        "yarn": ("factor", "original_max_position_embeddings"),
        "llama3": ("factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"),
    }.get(kind)
    if needed is None or any(not isinstance(rope.get(key), int | float) for key in needed):
        raise ModelError(f"GGUF has no place for the scaling of positions {kind!r}", where, _INSTEAD)
    other = set(rope) - {*needed, "rope_type", "type", "rope_theta", "attention_factor", "beta_fast", "beta_slow"}
    if kind == "yarn" and (other or rope.get("attention_factor")):
        raise ModelError("GGUF has no place for all settings of its yarn scaling", where, _INSTEAD)
    return RopeScaling(kind, {key: float(rope[key]) for key in needed})


def gguf_tensor_names(names: list[str], shape: GgufShape, where: str) -> dict[str, str]:
    """The tensors by llama.cpp's names, in its order: the model's name for each. A head that is the embeddings again is
    left out. Raises ModelError where one has no name there."""
    import gguf

    architecture = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == shape.architecture)
    table = gguf.get_tensor_name_map(architecture, shape.layers)
    written: dict[str, str] = {}
    for name in names:
        if name.endswith("rotary_emb.inv_freq") or (shape.tied and name == "lm_head.weight"):
            continue
        full = name if name.startswith(("model.", "lm_head.")) else f"model.{name}"
        found = table.get_name(full, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise ModelError(f"llama.cpp's {shape.architecture} has no tensor for {name}", where, _INSTEAD)
        written[found] = name
    return dict(sorted(written.items(), key=lambda item: _order(item[0])))


def _order(name: str) -> tuple[int, int, str]:
    parts = name.split(".")
    if parts[0] == "blk":
        return 1, int(parts[1]), name
    return (0 if name.startswith("token_embd") else 2), 0, name


def permuted_heads(name: str, shape: GgufShape) -> int:
    """How many heads' rows are reordered in the tensor with this name in llama.cpp; 0 for none."""
    if not shape.permutes:
        return 0
    return shape.heads if ".attn_q." in name else shape.key_heads if ".attn_k." in name else 0


def permute_heads(values: Array, head_size: int) -> Array:
    """Whole heads' rows, from two halves of dimensions to pairs of neighbours."""
    heads = values.reshape(-1, 2, head_size // 2, *values.shape[1:])
    permuted: Array = heads.swapaxes(1, 2).reshape(values.shape)
    return permuted
