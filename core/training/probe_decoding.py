"""Greedy decoding of several prompts at once by a model that is being trained, as it is: with its adapter, its lean
layers, or as Unsloth has changed it. Nothing of it is switched to another mode that could not be undone.

Imports torch. The engine decodes faster, but loads a model of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

NOT_FINITE = -1
"""Stands for a token where the scores are no numbers."""
_ROUND_TO = 32  # tokens to which the length of sequences without a cache is rounded up: few shapes


class ProbeStepper(Protocol):
    """Holds the sequences of all rows, and scores their next tokens."""

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Begin with these prompts; the scores of each row's next token, shape (rows, vocabulary)."""

    def append(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append a token to each row, int64 of shape (rows,); the scores of the next ones."""


class CachedRows:
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
        """See `ProbeStepper`."""
        width = max(map(len, prompts))
        ids = [[self._pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        self._mask = torch.tensor(mask, device=self._device)
        positions = (self._mask.cumsum(-1) - 1).clamp_min(0)
        self._next = positions[:, -1:] + 1
        self._cache: Any = None
        return self._feed(torch.tensor(ids, device=self._device), positions)

    def append(self, tokens: torch.Tensor) -> torch.Tensor:
        """See `ProbeStepper`."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=-1)
        scores = self._feed(tokens[:, None], self._next)
        self._next = self._next + 1
        return scores

    def _feed(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        options = dict(self._options)
        if self.takes_padding:
            options |= {"attention_mask": self._mask, "position_ids": positions}
        out = self._model(input_ids=ids, past_key_values=self._cache, **options)
        self._cache = out.past_key_values
        scores: torch.Tensor = out.logits[:, -1]
        return scores


class WholeRows:
    """Computes whole sequences again for each token, padded on their right, where no token looks: for models that are
    changed so that their cache works in another mode alone."""

    takes_padding = True

    def __init__(self, model: Any, pad: int) -> None:
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._decoder, self._head = base.get_decoder(), base.get_output_embeddings()
        self._device, self._pad = model.device, pad

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """See `ProbeStepper`."""
        self._rows = [list(prompt) for prompt in prompts]
        return self._scores()

    def append(self, tokens: torch.Tensor) -> torch.Tensor:
        """See `ProbeStepper`."""
        for row, token in zip(self._rows, tokens.tolist(), strict=True):
            row.append(token)
        return self._scores()

    def _scores(self) -> torch.Tensor:
        lengths = [len(row) for row in self._rows]
        width = -(-max(lengths) // _ROUND_TO) * _ROUND_TO
        ids = torch.tensor([row + [self._pad] * (width - len(row)) for row in self._rows], device=self._device)
        mask = torch.tensor([[1] * length + [0] * (width - length) for length in lengths], device=self._device)
        hidden = self._decoder(input_ids=ids, attention_mask=mask, use_cache=False)
        last = torch.tensor(lengths, device=self._device) - 1
        chosen = hidden[0][torch.arange(len(lengths), device=self._device), last]
        scores: torch.Tensor = self._head(chosen.to(self._head.weight.dtype))
        return scores


def greedy_tokens(
    stepper: ProbeStepper,
    prompts: Sequence[Sequence[int]],
    limit: int,
    ends: Callable[[int, int], bool],
    stopped: Callable[[], bool],
) -> bool:
    """Decode all rows until each has ended, `limit` tokens at most. ends: gets each row and its next token, which may
    be NOT_FINITE; whether the row ends with it. False where `stopped` turned true before the end."""
    live = set(range(len(prompts)))
    scores = stepper.start(prompts)
    for count in range(limit):
        if stopped():
            return False
        tokens = _best(scores)
        for row, token in enumerate(tokens.tolist()):
            if row in live and ends(row, token):
                live.discard(row)
        if not live or count == limit - 1:
            return True
        scores = stepper.append(tokens.clamp_min(0))
    return True


def _best(scores: torch.Tensor) -> torch.Tensor:
    best = scores.argmax(-1)  # NaN counts as the greatest, so checking the best one is enough
    finite = torch.isfinite(scores.gather(-1, best[:, None])[:, 0])
    return torch.where(finite, best, torch.full_like(best, NOT_FINITE))
