"""Tiny models of three cache kinds and of the architectures that the fused kernel knows, made in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as for the engine's other tests

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 320,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": None,
    "initializer_range": 0.2,
}
HYBRID: dict[str, Any] = {"layer_types": ["conv", "full_attention"], "block_multiple_of": 32, "conv_L_cache": 3}

Make = Callable[..., Any]


@pytest.fixture(scope="session")
def make_model() -> Make:
    """Makes a random model: `make_model("llama", dtype="bfloat16", sliding_window=8)`."""
    from core.models.backend import prepare_imports

    prepare_imports()
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    def make(kind: str, dtype: str = "float32", seed: int = 0, **changes: Any) -> Any:
        config = AutoConfig.for_model(kind, **(SIZES | changes))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype)).eval()

    return make


@pytest.fixture(scope="session")
def llama(make_model: Make) -> Any:
    return make_model("llama")


@pytest.fixture(scope="session")
def exact_llama(make_model: Make) -> Any:
    """In float64, where two scores of random weights are never so close that the order of a sum decides."""
    return make_model("llama", dtype="float64")


@pytest.fixture(scope="session")
def sliding(make_model: Make) -> Any:
    return make_model("mistral", sliding_window=16)


@pytest.fixture(scope="session")
def hybrid(make_model: Make) -> Any:
    return make_model("lfm2", **HYBRID)


def greedy(model: Any, prompt: list[int], count: int) -> list[int]:
    """The ids that `generate` makes after `prompt`."""
    import torch

    ids = torch.tensor([prompt])
    whole = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return list(whole[0, len(prompt) :].tolist())
