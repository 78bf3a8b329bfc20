"""Keys and values of all rows in preallocated tensors, which a graph or a kernel can address again and again."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer

from core.engine.steps.cache_copy import CacheCopy, tensor_bytes

SMALLEST = 1024
"""Tokens a row that are allocated at first."""


class RowCache:
    """For each layer, keys and values of shape (rows, key heads, capacity, head width)."""

    def __init__(self, model: Any, rows: int, capacity: int = SMALLEST) -> None:
        """model: one whose layers all attend to the whole past."""
        self._model = model
        config = model.config
        self._heads: int = config.num_key_value_heads
        self._width: int = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self._rows, self.capacity = rows, capacity
        count: int = config.num_hidden_layers
        self.keys = [self._empty(capacity) for _ in range(count)]
        self.values = [self._empty(capacity) for _ in range(count)]
        keep = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._options: dict[str, Any] = {"use_cache": True, "return_dict": True} | (
            {"logits_to_keep": 1} if keep else {}
        )

    def feed_prompt(self, row: int, ids: torch.Tensor, held: int) -> torch.Tensor:
        """Append `ids`, shape (1, n), behind the `held` tokens of a row by a plain forward pass; returns the scores of
        the next token, shape (vocabulary,)."""
        cache = DynamicCache(config=self._model.config)
        if held:
            for layer, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
                cache.update(keys[row : row + 1, :, :held], values[row : row + 1, :, :held], layer)
        out = self._model(input_ids=ids, past_key_values=cache, **self._options)
        end = held + ids.shape[1]
        for layer, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            keys[row, :, held:end].copy_(cache.layers[layer].keys[0, :, held:])
            values[row, :, held:end].copy_(cache.layers[layer].values[0, :, held:])
        scores: torch.Tensor = out.logits[0, -1]
        return scores

    def grow(self, length: int) -> bool:
        """Make room for `length` tokens in each row, by doubling; whether anything moved."""
        if length <= self.capacity:
            return False
        capacity = self.capacity
        while capacity < length:
            capacity *= 2
        for tensors in (self.keys, self.values):
            for layer, old in enumerate(tensors):
                tensors[layer] = self._empty(capacity)
                tensors[layer][:, :, : self.capacity].copy_(old)
        self.capacity = capacity
        return True

    def copy_row(self, row: int, length: int) -> CacheCopy:
        """The first `length` tokens of a row, in memory of their own."""
        parts = [
            (keys[row, :, :length].clone(), values[row, :, :length].clone())
            for keys, values in zip(self.keys, self.values, strict=True)
        ]
        return CacheCopy(length, parts, tensor_bytes(parts))

    def paste_row(self, row: int, copy: CacheCopy) -> None:
        """Write a copy to the beginning of a row. There must be room."""
        for keys, values, (its_keys, its_values) in zip(self.keys, self.values, copy.content, strict=True):
            keys[row, :, : copy.length].copy_(its_keys)
            values[row, :, : copy.length].copy_(its_values)

    @property
    def bytes(self) -> int:
        """Memory that all rows take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (*self.keys, *self.values))

    def as_transformers_cache(self, positions: torch.Tensor) -> Any:
        """A cache for a forward pass over one token of each row, written at `positions`, int64, shape (rows,)."""
        layers = [_RowLayer(keys, values, positions) for keys, values in zip(self.keys, self.values, strict=True)]
        return Cache(layers=layers)

    def _empty(self, capacity: int) -> torch.Tensor:
        shape = (self._rows, self._heads, capacity, self._width)
        return torch.zeros(shape, dtype=self._model.dtype, device=self._model.device)


def attends_to_everything(model: Any) -> bool:
    """Whether all layers keep the keys and values of the whole past, and nothing else."""
    layers = DynamicCache(config=model.config).layers
    return len(layers) == model.config.num_hidden_layers and all(type(layer) is DynamicLayer for layer in layers)


class _RowLayer(CacheLayerMixin):  # type: ignore[misc]
    """One layer's keys and values, for one new token a row."""

    is_sliding = False
    is_compileable = True

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, positions: torch.Tensor) -> None:
        super().__init__()
        self.keys, self.values, self.is_initialized = keys, values, True
        self._index = positions[:, None, None, None].expand(-1, keys.shape[1], 1, keys.shape[3])

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing to do: the tensors exist."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the rows' new keys and values; returns all of them."""
        self.keys.scatter_(2, self._index, key_states)
        self.values.scatter_(2, self._index, value_states)
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys that a mask covers."""
        return self.keys.shape[2], 0

    def get_seq_length(self) -> int:
        """Rows differ, so there is no such number; the caller gives positions and mask."""
        return 0

    def get_max_length(self) -> int:
        """The most tokens a row can hold."""
        return int(self.keys.shape[2])
