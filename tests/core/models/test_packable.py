"""Which models' rows can be packed, by config.json alone."""

from __future__ import annotations

from typing import Any

import pytest

from core.models.packable import why_not_packable


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "llama"}, ""),
        ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": False}, ""),
        ({"model_type": "qwen3", "layer_types": ["full_attention"] * 2, "sliding_window": 4096}, ""),
        ({"model_type": "qwen3", "layer_types": ["full_attention", "sliding_attention"]}, "slides"),
        ({"model_type": "mistral", "sliding_window": 4096}, "slides"),
        ({"model_type": "llama", "final_logit_softcapping": 30.0}, "scores are scaled"),
        ({"model_type": "mamba"}, "type mamba"),
        ({}, "type unknown"),
    ],
)
def test_what_config_json_says(config: dict[str, Any], words: str) -> None:
    why = why_not_packable(config)
    assert (words in why) if words else not why
