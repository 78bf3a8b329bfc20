"""4-bit weights as 16-bit ones, once, instead of at each product: the same values, the same products, four times the
memory. Imports torch and bitsandbytes late."""

from __future__ import annotations

from typing import Any


def dequantised_bytes(model: Any) -> int:
    """Bytes of the model's 4-bit weights once they are in 16 bit; 0 where it has none."""
    return sum(2 * layer.in_features * layer.out_features for _, _, layer in _four_bit_layers(model))


def dequantise_weights(model: Any) -> int:
    """Replace the 4-bit layers of `model` by 16-bit ones with the values that bitsandbytes would compute with, one
    after the other. How many were replaced."""
    import torch
    from bitsandbytes.functional import dequantize_4bit

    count = 0
    for parent, name, layer in list(_four_bit_layers(model)):
        weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(layer.compute_dtype)
        with torch.device("meta"):
            plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
        plain.weight = torch.nn.Parameter(weight, requires_grad=False)
        if layer.bias is not None:
            plain.bias = torch.nn.Parameter(layer.bias.data.to(layer.compute_dtype), requires_grad=False)
        setattr(parent, name, plain)
        count += 1
    return count


def _four_bit_layers(model: Any) -> Any:
    """Each 4-bit layer with the module that holds it and its name there."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child).__name__ == "Linear4bit" and hasattr(child, "compute_dtype"):
                yield module, name, child
