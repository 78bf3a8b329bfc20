"""The kernel's table of a model: every pointer where the tensor lies, fused modules split, adapters in slots."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from core.engine.kernels.decode_tables import layer_struct
from core.engine.steps.eligibility import decode_shape
from core.engine.steps.fused_weights import FusedWeights, adapter_of, highest_rank
from core.engine.steps.row_cache import RowCache
from tests.core.engine.steps.test_verdicts import WIDE, with_lora


def read(weights: FusedWeights, slots: int = 1) -> Any:
    struct = layer_struct(slots)
    count = weights.table.numel() // ctypes.sizeof(struct)
    return (struct * count).from_buffer_copy(bytes(weights.table.numpy()))


def floats(address: int, shape: tuple[int, ...]) -> torch.Tensor:
    """The float32 values at an address."""
    size = int(torch.tensor(shape).prod())
    return torch.frombuffer(bytearray(ctypes.string_at(address, size * 4)), dtype=torch.float32).view(shape)


def test_pointers_are_those_of_the_models_tensors(make_model: Any) -> None:
    model = make_model("qwen2", **WIDE)
    weights = FusedWeights(model, decode_shape(model))
    cache = RowCache(model, 2, 64)
    weights.upload(cache)
    for entry, layer, keys in zip(read(weights), model.model.layers, cache.keys, strict=True):
        attention = layer.self_attn
        assert entry.q.weight == attention.q_proj.weight.data_ptr()
        assert entry.k.bias == attention.k_proj.bias.data_ptr()
        assert (entry.o.bias, entry.o.a[0]) == (0, 0)
        assert entry.down.weight == layer.mlp.down_proj.weight.data_ptr()
        assert entry.norm2 == layer.post_attention_layernorm.weight.data_ptr()
        assert entry.keys == keys.data_ptr()


def test_fused_modules_are_split_by_rows(make_model: Any) -> None:
    model = make_model("phi3", **WIDE)
    weights = FusedWeights(model, decode_shape(model))
    weights.upload()
    entry, layer = read(weights)[0], model.model.layers[0]
    start, width = layer.self_attn.qkv_proj.weight.data_ptr(), 64 * 2
    assert [entry.q.weight, entry.k.weight, entry.v.weight] == [start, start + 128 * width, start + 192 * width]
    assert entry.up.weight - entry.gate.weight == 128 * width


def test_a_slot_holds_an_adapter_in_float32_with_its_rank_filled_up(make_model: Any) -> None:
    model = with_lora(make_model("llama", **WIDE), init_lora_weights=False)
    assert (adapter_of(model), highest_rank(model)) == ("default", 8)
    weights = FusedWeights(model, decode_shape(model, rank=8, slots=2))
    weights.fill_slot(1, "default")
    weights.upload()
    entry, module = read(weights, slots=2)[1], model.model.layers[1].self_attn.q_proj
    assert (weights.ranks, entry.q.scale[1], entry.q.a[0], entry.k.a[1]) == ([0, 8], 2.0, 0, 0)
    a, b = floats(entry.q.a[1], (8, 64)), floats(entry.q.b[1], (128, 8))
    torch.testing.assert_close(a[:6], module.lora_A["default"].weight.float())
    torch.testing.assert_close(b[:, :6], module.lora_B["default"].weight.float())
    assert not a[6:].any()
    assert not b[:, 6:].any()
    weights.fill_slot(1, None)
    weights.upload()
    assert (weights.ranks, read(weights, slots=2)[1].q.a[1]) == ([0, 0], 0)
