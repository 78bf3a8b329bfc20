"""Whole models of many architectures are whole: no rename, conversion or tie of the library is taken for a lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.models.expected_tensors import compare_with_config

SIZES: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EXPERTS: dict[str, Any] = {"moe_intermediate_size": 16, "num_experts_per_tok": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "qwen3": {},
    "gemma2": {},
    "mistral": {},
    "phi3": {},
    "lfm2": {},
    "gpt2": {},
    "qwen3_moe": {**EXPERTS, "num_experts": 4},
    "gpt_oss": {**EXPERTS, "num_local_experts": 4},
    "deepseek_v3": {
        **EXPERTS,
        **{"n_routed_experts": 4, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1, "q_lora_rank": 16},
        **{"kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "num_key_value_heads": 4},
    },
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_of_the_family_is_whole(family: str, tmp_path: Path) -> None:
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    with torch.random.fork_rng():
        config = CONFIG_MAPPING[family](**{**SIZES, **FAMILIES[family]})
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    found = compare_with_config(tmp_path)
    found.refuse_unless_whole(tmp_path)
    assert found.note == ""
    assert found.layers == 4
