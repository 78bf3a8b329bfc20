"""Greedy decoding of several prompts at once by a model that is being trained, as it is: with its adapter, its lean
layers, or as Unsloth has changed it. Nothing of it is switched to another mode that could not be undone.

Imports torch. The engine decodes faster, but loads a model of its own.
"""

from __future__ import annotations

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
