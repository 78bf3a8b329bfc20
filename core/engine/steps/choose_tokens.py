"""Chooses tokens on the device, for several rows at once, without waiting for the host.

The noise of a draw depends on the row's seed, the token's position and the token alone (a hash, not a generator's
state): an answer that is continued, re-asked or advanced beside others draws what it would have drawn alone.
"""

from __future__ import annotations

from typing import Any

import torch

from core.engine.steps.step import TokenChoice

GREEDY_BELOW = 1e-4
"""A smaller temperature divides the scores beyond the range of a float; the limit it approaches is greedy."""
NOT_A_TOKEN = -1
"""Stands for a token where the scores are no numbers."""

_MASK = 0xFFFFFFFF


class ChoiceRows:
    """The choices of all rows, on the device."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self._choices = [TokenChoice()] * rows
        self._temperature = torch.zeros(rows, 1, device=device)
        self._top_p = torch.ones(rows, 1, device=device)
        self._seed = torch.zeros(rows, 1, dtype=torch.int64, device=device)

    def set(self, row: int, choice: TokenChoice) -> None:
        """Choose row `row`'s tokens like this from now on."""
        self._choices[row] = choice
        self._temperature[row] = choice.temperature
        self._top_p[row] = choice.top_p
        self._seed[row] = choice.seed & _MASK

    def is_greedy(self, rows: list[int]) -> bool:
        """Whether all of `rows` take the best token."""
        return all(self._choices[row].temperature < GREEDY_BELOW for row in rows)

    def choose(self, scores: torch.Tensor, rows: slice, positions: torch.Tensor) -> torch.Tensor:
        """The next token of each row of `rows`. scores: float32, shape (rows, vocabulary). positions: the place in its
        sequence that each token will take, shape (rows,). Returns int64, shape (rows,)."""
        best = best_tokens(scores)
        temperature, top_p = self._temperature[rows], self._top_p[rows]
        chances = torch.softmax(scores / temperature.clamp_min(GREEDY_BELOW), dim=-1)
        if any(choice.top_p < 1.0 for choice in self._choices[rows]):
            values, tokens = torch.sort(chances, dim=-1, descending=True, stable=True)
            outside = values.cumsum(-1) - values >= top_p
            outside[:, 0] = False
            chances = chances.scatter(-1, tokens, values.masked_fill(outside, 0.0))
        # The exponential race: argmax of p/e with e ~ Exp(1) is i with probability p_i.
        race = exponential_noise(self._seed[rows], positions[:, None], scores.shape[-1])
        drawn = (chances / race).argmax(-1)
        return torch.where((temperature[:, 0] < GREEDY_BELOW) | (best == NOT_A_TOKEN), best, drawn)


def best_tokens(scores: torch.Tensor) -> torch.Tensor:
    """The best token of each row, int64; NOT_A_TOKEN where its scores are not finite. scores: (rows, vocabulary)."""
    best = scores.argmax(-1)  # NaN counts as the greatest, so checking the best one is enough
    finite = torch.isfinite(scores.gather(-1, best[:, None])[:, 0])
    return torch.where(finite, best, torch.full_like(best, NOT_A_TOKEN))


def exponential_noise(seeds: torch.Tensor, positions: torch.Tensor, count: int) -> torch.Tensor:
    """Draws from Exp(1), float32 above 0, shape (rows, count). seeds, positions: int64, shape (rows, 1)."""
    row = _mix(_mix(seeds) + positions)
    index = torch.arange(count, device=seeds.device, dtype=torch.int64)[None]
    mixed = _mix((index * 0x9E3779B1 + row) & _MASK)
    uniform = ((mixed >> 8).to(torch.float32) + 0.5) / (1 << 24)
    return -torch.log(uniform)


def _mix(values: Any) -> Any:
    """A permutation of 32-bit numbers in which every bit depends on all (MurmurHash3's finalizer, public domain)."""
    values = values & _MASK
    values = values ^ (values >> 16)
    values = (values * 0x85EBCA6B) & _MASK
    values = values ^ (values >> 13)
    values = (values * 0xC2B2AE35) & _MASK
    return values ^ (values >> 16)
