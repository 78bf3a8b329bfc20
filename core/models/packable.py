"""Whether a model's rows can be packed into one sequence, as far as its config.json says. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TESTED = ("llama", "qwen2", "qwen3", "mistral", "smollm3")
"""Types of models whose attention takes packed rows, compared with padded ones."""
_SCORE_SCALES = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
"""Settings of models whose scores are not just the head times the hidden states."""


def why_not_packable(config: Mapping[str, Any]) -> str:
    """Why not, as a clause; empty where they can. config: the content of config.json."""
    kind = str(config.get("model_type", ""))
    if kind not in _TESTED:
        return f"packed rows are not tested with models of type {kind or 'unknown'}"
    layers = config.get("layer_types")
    mixed = any(layer != "full_attention" for layer in layers or ())
    slides = not layers and config.get("sliding_window") and config.get("use_sliding_window", True)
    if mixed or slides:
        return "its attention slides over the row, or differs between layers"
    scales = [name for name in _SCORE_SCALES if config.get(name) not in (None, 1, 1.0)]
    return f"its scores are scaled ({scales[0]})" if scales else ""
