"""4-bit weights put into 16 bit once give the products that they gave before, to the bit."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("has_bias", [False, True])
def test_products_are_the_same_to_the_bit(has_bias: bool) -> None:
    import torch
    from bitsandbytes.nn import Linear4bit

    from core.models.dequantised import dequantise_weights, dequantised_bytes

    with torch.random.fork_rng():
        torch.manual_seed(4)
        layer = Linear4bit(
            128, 192, bias=has_bias, compute_dtype=torch.bfloat16, compress_statistics=True, quant_type="nf4"
        )
        model = torch.nn.Sequential(torch.nn.Sequential(layer), torch.nn.ReLU()).to("cpu")
        inputs = torch.randn(40, 128, dtype=torch.bfloat16)
    with torch.no_grad():
        wanted = model(inputs)
        assert dequantised_bytes(model) == 2 * 128 * 192
        assert dequantise_weights(model) == 1
        assert type(model[0][0]) is torch.nn.Linear and not model[0][0].weight.requires_grad
        assert torch.equal(model(inputs), wanted)
        assert dequantise_weights(model) == 0
