"""Layers with fewer kernels compute what the libraries' compute: scores and gradients."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.packable_models import VOCABULARY, make_packable_model

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def scores_and_gradients(model: Any) -> tuple[Any, list[Any]]:
    import torch

    ids = torch.randint(0, VOCABULARY, (2, 17), generator=torch.Generator().manual_seed(2))
    scores = model(input_ids=ids).logits
    scores.square().mean().backward()
    return scores.detach(), [parameter.grad for parameter in model.parameters() if parameter.requires_grad]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_lean_layers_give_the_same_scores_and_gradients(kind: str) -> None:
    import torch

    from core.training.lean_layers import use_lean_layers

    wanted, gradients = scores_and_gradients(make_packable_model(kind, TARGETS))
    model = make_packable_model(kind, TARGETS)
    norms = 2 * 2 + 1 + (2 * 2 if kind == "qwen3" else 0)
    assert len(use_lean_layers(model)) == 2 * len(TARGETS) + norms
    found, ours = scores_and_gradients(model)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert all(torch.allclose(*pair, atol=1e-6, rtol=1e-4) for pair in zip(ours, gradients, strict=True))


def test_without_its_adapter_the_model_is_the_base_model() -> None:
    import torch

    from core.training.lean_layers import use_lean_layers, use_own_layers

    model = make_packable_model("llama", TARGETS)
    ids = torch.arange(9)[None]
    with torch.no_grad(), model.disable_adapter():
        wanted = model(input_ids=ids).logits
        changed = use_lean_layers(model)
        assert torch.allclose(model(input_ids=ids).logits, wanted, atol=1e-5)
        use_own_layers(changed)
        assert torch.equal(model(input_ids=ids).logits, wanted)


def test_layers_with_dropout_stay_as_they_are() -> None:
    import torch

    from core.training.lean_layers import use_lean_layers

    model = make_packable_model("llama", ("q_proj",))
    for module in model.modules():
        if hasattr(module, "lora_dropout"):
            module.lora_dropout["default"] = torch.nn.Dropout(0.1)
    assert len(use_lean_layers(model)) == 2 * 2 + 1  # the norms
