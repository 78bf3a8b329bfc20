"""The shape of a model from its config.json alone, by architecture family.

Llama, Qwen 2 and 3, Mistral, Gemma, Phi-3 and mixtures of experts of the usual form are known; any other is taken for a
decoder with gated MLP, which is said of its shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.models.fit.model_shape import Matrix, ModelShape

_FUSED = ("phi3", "phi4mm")
"""One matrix for query, key and value, and one for gate and up."""
_BIASED_ATTENTION = ("qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl")
"""Biases on query, key and value without a key of config.json that says so."""
_EXPERTS = ("mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "gpt_oss", "phimoe", "glm4_moe", "deepseek_v3")
_DENSE = (
    *("llama", "qwen2", "qwen3", "mistral", "gemma", "gemma2", "gemma3_text", "gemma3", "phi3", "smollm3", "olmo2"),
    *("granite", "ministral", "mistral3", "qwen2_5_vl", "qwen2_vl"),
)
_TIED = ("gemma", "gemma2", "gemma3", "gemma3_text")
"""Architectures whose head is tied to the embeddings where config.json does not say."""


def shape_of_config(config: Mapping[str, Any]) -> ModelShape:
    """The shape that config.json, read as `config`, describes. Keys that are missing get the values of a model of seven
    billion parameters."""
    family = str(config.get("model_type") or "?")
    text = config.get("text_config")
    text = {**config, **text} if isinstance(text, dict) else dict(config)
    hidden, layers = (
        _number(text, 4096, "hidden_size", "n_embd", "d_model"),
        _number(text, 32, "num_hidden_layers", "n_layer"),
    )
    heads = _number(text, 32, "num_attention_heads", "n_head")
    keys = _number(text, heads, "num_key_value_heads")
    width = _number(text, max(1, hidden // heads), "head_dim")
    inner = _number(text, 4 * hidden, "intermediate_size", "ffn_dim", "n_inner")
    vocabulary = _number(text, 32_000, "vocab_size")
    experts = _number(text, 0, "num_local_experts", "num_experts", "n_routed_experts")
    query, narrow = heads * width, keys * width
    attention = _attention(family, hidden, query, narrow, layers)
    mlp, active = _mlp(text, family, hidden, inner, layers, experts)
    has_biases = bool(text.get("attention_bias", family in _BIASED_ATTENTION))
    norms = layers * (4 if family in ("gemma2", "gemma3", "gemma3_text") else 2) * hidden + hidden
    biases = layers * (query + 2 * narrow) if has_biases else 0
    tied = bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", family in _TIED)))
    return ModelShape(
        family=family,
        hidden=hidden,
        inner=active,
        query=query,
        narrow=narrow,
        heads=heads,
        layers=layers,
        vocabulary=vocabulary,
        matrices=(*attention, *mlp),
        embedding=vocabulary * hidden,
        head=0 if tied else vocabulary * hidden,
        others=norms + biases + layers * experts * hidden,
        is_exact=False,
        is_known=family in (*_DENSE, *_EXPERTS),
    )


def _attention(family: str, hidden: int, query: int, narrow: int, layers: int) -> list[Matrix]:
    if family in _FUSED:
        inputs = [Matrix("qkv_proj", query + 2 * narrow, hidden, layers)]
    else:
        inputs = [
            Matrix("q_proj", query, hidden, layers),
            Matrix("k_proj", narrow, hidden, layers),
            Matrix("v_proj", narrow, hidden, layers),
        ]
    return [*inputs, Matrix("o_proj", hidden, query, layers)]


def _mlp(
    text: Mapping[str, Any], family: str, hidden: int, inner: int, layers: int, experts: int
) -> tuple[list[Matrix], int]:
    """The matrices, and the width of all experts that one token passes."""
    if not experts:
        return _gated(family, hidden, inner, layers, False), inner
    one = _number(text, inner, "moe_intermediate_size")
    dense_layers = min(layers, _number(text, 0, "first_k_dense_replace"))
    chosen = _number(text, 2, "num_experts_per_tok")
    shared = _number(text, 0, "shared_expert_intermediate_size")
    shared += one * _number(text, 0, "n_shared_experts")
    matrices = _gated(family, hidden, one, (layers - dense_layers) * experts, True)
    if shared:
        matrices += _gated(family, hidden, shared, layers - dense_layers, False)
    if dense_layers:
        matrices += _gated(family, hidden, inner, dense_layers, False)
    return matrices, chosen * one + shared


def _gated(family: str, hidden: int, inner: int, count: int, is_expert: bool) -> list[Matrix]:
    if family in _FUSED:
        inputs = [Matrix("gate_up_proj", 2 * inner, hidden, count, is_expert=is_expert)]
    else:
        inputs = [
            Matrix("gate_proj", inner, hidden, count, is_expert=is_expert),
            Matrix("up_proj", inner, hidden, count, is_expert=is_expert),
        ]
    return [*inputs, Matrix("down_proj", hidden, inner, count, is_expert=is_expert)]


def _number(text: Mapping[str, Any], default: int, *keys: str) -> int:
    """The first of the keys that has a positive number."""
    for key in keys:
        value = text.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return default
