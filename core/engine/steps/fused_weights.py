"""The fused kernel's view of a model: one table on the device with a pointer to every tensor, none of them copied but
adapters that are not in float32."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from core.engine.kernels.decode_tables import layer_struct
from core.engine.kernels.plan import DecodeShape
from core.engine.steps.eligibility import active_adapter, base_linear, is_nf4, projections
from core.engine.steps.row_cache import RowCache


class FusedWeights:
    """The table of layers. It keeps the tensors it points to alive."""

    def __init__(self, model: Any, shape: DecodeShape) -> None:
        """model: one of which `fused_problem` has nothing to say."""
        self._model, self._shape = model, shape
        self._layers = (layer_struct(shape.slots) * shape.layers)()
        self._kept: list[list[torch.Tensor]] = [[] for _ in range(shape.slots)]
        self._fixed: list[torch.Tensor] = []
        self.ranks = [0] * shape.slots
        """The rank of each slot's adapter; 0 where the slot is empty."""
        self.table = torch.zeros(ctypes.sizeof(self._layers), dtype=torch.uint8, device=model.device)
        """The table on the device."""
        self.code = self._code()
        """The 256 values of the scales' second quantisation, float32."""
        for entry, layer in zip(self._layers, model.model.layers, strict=True):
            for names, module, first in self._parts(layer):
                self._set_matrix(entry, names, module, first)
            attention = layer.self_attn
            norms = {"norm1": layer.input_layernorm, "norm2": layer.post_attention_layernorm}
            if shape.qk_norm:
                norms |= {"q_norm": attention.q_norm, "k_norm": attention.k_norm}
            for name, norm in norms.items():
                setattr(entry, name, self._bf16(norm.weight).data_ptr())

    def upload(self, cache: RowCache | None = None) -> None:
        """Send the table to the device, with the addresses of `cache` where given."""
        if cache is not None:
            for entry, keys, values in zip(self._layers, cache.keys, cache.values, strict=True):
                entry.keys, entry.values = keys.data_ptr(), values.data_ptr()
        self.table.copy_(torch.frombuffer(bytearray(self._layers), dtype=torch.uint8))

    def fill_slot(self, slot: int, adapter: str | None) -> None:
        """Put the model's LoRA adapter of this name into a slot (None empties it). Call `upload` afterwards."""
        self._kept[slot] = []
        rank = 0 if adapter is None else highest_rank(self._model, adapter)  # one for all, as the rows' stride
        self.ranks[slot] = rank
        for entry, layer in zip(self._layers, self._model.model.layers, strict=True):
            for name, module, first in self._parts(layer):
                matrix = getattr(entry, name)
                matrix.a[slot] = matrix.b[slot] = 0
                if adapter is None or adapter not in getattr(module, "lora_A", ()):
                    continue
                a, b = module.lora_A[adapter].weight, module.lora_B[adapter].weight
                rows = self._rows(name)
                matrix.a[slot] = self._keep(slot, a, (rank, a.shape[1]))
                matrix.b[slot] = self._keep(slot, b[first : first + rows], (rows, rank))
                matrix.scale[slot] = module.scaling[adapter]

    def _parts(self, layer: Any) -> list[tuple[str, Any, int]]:
        """Each matrix of the kernel: its name, the module that holds it, and its first row there."""
        shape = self._shape
        query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        found = []
        for name, module in projections(layer).items():
            if name == "qkv":
                found += [("q", module, 0), ("k", module, query), ("v", module, query + key)]
            elif name == "gate_up":
                found += [("gate", module, 0), ("up", module, shape.inner)]
            else:
                found.append((name, module, 0))
        return found

    def _rows(self, name: str) -> int:
        shape = self._shape
        narrow = shape.kv_heads * shape.head_dim
        rows = {"q": shape.heads * shape.head_dim, "k": narrow, "v": narrow, "gate": shape.inner, "up": shape.inner}
        return rows.get(name, shape.hidden)

    def _set_matrix(self, entry: Any, name: str, module: Any, first: int) -> None:
        matrix, linear = getattr(entry, name), base_linear(module)
        width = linear.in_features
        if is_nf4(module):
            state = linear.weight.quant_state
            matrix.weight = linear.weight.data_ptr() + first * width // 2
            matrix.absmax, matrix.absmax2 = state.absmax.data_ptr(), state.state2.absmax.data_ptr()
            matrix.offset, matrix.first_block = float(state.offset), first * width // 64
        else:
            matrix.weight = linear.weight.data_ptr() + first * width * 2
        if linear.bias is not None:
            matrix.bias = self._bf16(linear.bias).data_ptr() + first * 2

    def _bf16(self, tensor: torch.Tensor) -> torch.Tensor:
        kept = tensor.detach().to(torch.bfloat16).contiguous()
        self._fixed.append(kept)
        return kept

    def _keep(self, slot: int, tensor: torch.Tensor, shape: tuple[int, int]) -> int:
        """The address of `tensor` in float32, filled up with zeros to `shape`."""
        kept = tensor.detach().to(torch.float32).contiguous()
        if tuple(kept.shape) != shape:
            padded = kept.new_zeros(shape)
            padded[: kept.shape[0], : kept.shape[1]] = kept
            kept = padded
        self._kept[slot].append(kept)
        return kept.data_ptr()

    def _code(self) -> torch.Tensor:
        module = projections(self._model.model.layers[0])["o"]
        if not is_nf4(module):
            return torch.zeros(256, dtype=torch.float32, device=self._model.device)
        code: torch.Tensor = base_linear(module).weight.quant_state.state2.code.float().contiguous()
        return code


def adapter_of(model: Any) -> str | None:
    """The adapter that is active in a model's layers; None where none is."""
    found = {
        name
        for layer in model.model.layers
        for module in projections(layer).values()
        if (name := active_adapter(module))
    }
    return next(iter(found), None)


def highest_rank(model: Any, adapter: str | None = None) -> int:
    """The highest rank of the LoRA adapters in a model's layers, rounded up to a multiple of 4; 0 where there is
    none. adapter: only of this one."""
    ranks = [
        factor.weight.shape[0]
        for layer in model.model.layers
        for module in projections(layer).values()
        for name, factor in getattr(module, "lora_A", {}).items()
        if adapter in (None, name)
    ]
    return -(-max(ranks, default=0) // 4) * 4
