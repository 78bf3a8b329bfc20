"""The plain step: a forward pass of Transformers for each row, over the cache that the model makes."""

from __future__ import annotations

import copy as copying
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

from core.engine.drafts import accepted_tokens
from core.engine.steps.cache_copy import CacheCopy, tensor_bytes
from core.engine.steps.choose_tokens import best_tokens
from core.engine.steps.row_cache import attends_to_everything
from core.engine.steps.rows import RowStep


class PlainStep(RowStep):
    """Rows take turns, because caches of all kinds must work, and most kinds cannot hold rows of different lengths."""

    path = "plain"

    def __init__(self, model: Any, rows: int = 1) -> None:
        super().__init__(model, rows)
        self._caches: list[Any] = [None] * rows
        self._options: dict[str, Any] = {"use_cache": True, "return_dict": True}
        if "logits_to_keep" in inspect.signature(self.model.forward).parameters:
            # else a prompt of n tokens makes n rows of scores, and only one is used
            self._options["logits_to_keep"] = 1
        wide = self.model.dtype in (torch.float32, torch.float64)
        self._drafts = self.device.type == "cpu" and wide and attends_to_everything(self.model)

    @property
    def drafts_exactly(self) -> bool:
        """See `Step`. Narrow formats round a pass over several tokens visibly otherwise, and so do GPUs."""
        return self._drafts

    def verify(self, row: int, drafted: Sequence[int]) -> list[int]:
        """See `Step`."""
        held, count = self.lengths[row] + 1, len(drafted)
        self.check_room(held + count)
        with torch.inference_mode():
            self.switch.use(self.adapters[row])
            if self.choices.needs_history([row]):
                self.choices.record(self.tokens, self.lengths)
            fed = [int(self.tokens[row]), *drafted]
            scores = self._feed(row, torch.tensor([fed], device=self.device), count + 1).float()
            told = accepted_tokens(drafted, self.choices.choose_drafted(row, scores, held, drafted).tolist())
            right = len(told) - 1
            self.lengths[row] = held + count
            if right < count:
                self.cut_cache(row, held + right)
            self.lengths[row] = held + right
            self.fed[row] += fed[: right + 1]
            self.logits[row].copy_(scores[right])
            self.tokens[row] = told[-1]
        return told

    def feed_prompt(self, row: int, ids: torch.Tensor) -> torch.Tensor:
        """See `RowStep`."""
        return self._feed(row, ids, 1)[0]

    def feed_tokens(self, live: list[int]) -> None:
        """See `RowStep`."""
        for row in sorted(live, key=lambda row: self.adapters[row] or ""):
            self.switch.use(self.adapters[row])
            self.logits[row].copy_(self.feed_prompt(row, self.tokens[row : row + 1, None].clamp_min(0)))
            self.tokens[row : row + 1] = best_tokens(self.logits[row : row + 1])

    def cut_cache(self, row: int, length: int) -> int:
        """See `RowStep`. Sliding windows and recurrent states cannot be cut: they have forgotten what they need."""
        cache = self._caches[row]
        layers = getattr(cache, "layers", [])
        croppable = bool(layers) and all(type(layer) is DynamicLayer for layer in layers)
        if length and croppable:
            cache.crop(length - self.lengths[row])
            return length
        self._caches[row] = None
        return 0

    def copy_cache(self, row: int) -> CacheCopy:
        """See `RowStep`."""
        content = copying.deepcopy(self._caches[row])
        return CacheCopy(self.lengths[row], content, tensor_bytes(content))

    def paste_cache(self, row: int, copy: CacheCopy) -> None:
        """See `RowStep`."""
        self._caches[row] = copying.deepcopy(copy.content)

    def _feed(self, row: int, ids: torch.Tensor, scored: int) -> torch.Tensor:
        """Append ids, shape (1, n); returns the scores behind the last `scored` of them, shape (scored, vocabulary)."""
        options = self._options | ({"logits_to_keep": scored} if "logits_to_keep" in self._options else {})
        out = self.model(input_ids=ids, past_key_values=self._caches[row], **options)
        self._caches[row] = out.past_key_values
        scores: torch.Tensor = out.logits[0, -scored:]
        return scores

    def cache_of(self, row: int) -> Any:
        """The cache of Transformers that holds the row; None where it holds nothing."""
        return self._caches[row]

    def row_bytes(self, row: int) -> int:
        """Memory that the row's cache takes."""
        return tensor_bytes(self._caches[row])
