"""Several prompts continued side by side by a model of Transformers, a token each at a time. Imports torch.

For work beside the engine: evaluation, the proof of an export, and a model that is being trained.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch


class PaddedRows:
    """Keeps keys and values. Prompts are padded on their left, which the mask hides. pad: the id to pad with."""

    def __init__(self, model: Any, pad: int) -> None:
        self._model = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._device, self._pad = model.device, pad
        accepted = inspect.signature(self._model.forward).parameters
        self.takes_padding = {"attention_mask", "position_ids"} <= accepted.keys()
        """Whether rows of different lengths can be decoded together."""
        self._options: dict[str, Any] = {"use_cache": True, "return_dict": True}
        if "logits_to_keep" in accepted:
            self._options["logits_to_keep"] = 1

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Begin with these prompts; the scores of each row's next token, shape (rows, vocabulary)."""
        width = max(map(len, prompts))
        ids = [[self._pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        self._mask = torch.tensor(mask, device=self._device)
        positions = (self._mask.cumsum(-1) - 1).clamp_min(0)
        self._next = positions[:, -1:] + 1
        self._cache: Any = None
        return self._feed(torch.tensor(ids, device=self._device), positions)

    def append(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append a token to each row, int64 of shape (rows,); the scores of the next ones."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=-1)
        scores = self._feed(tokens[:, None], self._next)
        self._next = self._next + 1
        return scores

    def keep(self, rows: Sequence[int]) -> bool:
        """Go on with these rows alone, by their places; False, and nothing is dropped, where the model's cache cannot
        drop rows."""
        if not all(hasattr(layer, "batch_select_indices") for layer in self._cache.layers):
            return False
        places = torch.tensor(rows, device=self._device)
        self._cache.batch_select_indices(places)
        self._mask, self._next = self._mask[places], self._next[places]
        return True

    def _feed(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        options = dict(self._options)
        if self.takes_padding:
            options |= {"attention_mask": self._mask, "position_ids": positions}
        out = self._model(input_ids=ids, past_key_values=self._cache, **options)
        self._cache = out.past_key_values
        scores: torch.Tensor = out.logits[:, -1]
        return scores
