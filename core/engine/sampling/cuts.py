"""Cuts the scores to the tokens that are drawn from: top-k, top-p (Holtzman et al., 2020,
https://arxiv.org/abs/1904.09751) and min-p (Nguyen et al., 2024, https://arxiv.org/abs/2407.01082)."""

from __future__ import annotations

import torch

_OUT = float("-inf")


def cut_to_most_likely(scores: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Scores outside of top-k, and then of top-p of what is left, become minus infinity; the best one stays.

    scores: float32, shape (rows, vocabulary). top_k: int64, shape (rows, 1), 0 keeps all; scores equal to the last of
    the k stay. top_p: shape (rows, 1), 1 keeps all.
    """
    values, tokens = torch.sort(scores, dim=-1, descending=True, stable=True)
    last = torch.where(top_k > 0, top_k, values.shape[1]).clamp_max(values.shape[1]) - 1
    values = values.masked_fill(values < values.gather(1, last), _OUT)
    chances = torch.softmax(values, dim=-1)
    outside = (_running_sums(chances) - chances >= top_p) & (top_p < 1.0)
    outside[:, 0] = False
    return torch.empty_like(scores).scatter_(-1, tokens, values.masked_fill(outside, _OUT))


def cut_by_share(scores: torch.Tensor, min_p: torch.Tensor) -> torch.Tensor:
    """Scores of tokens with less than `min_p` of the best one's probability become minus infinity. min_p: (rows, 1)."""
    chances = torch.softmax(scores, dim=-1)
    return scores.masked_fill(chances < min_p * chances.amax(-1, keepdim=True), _OUT)


def _running_sums(chances: torch.Tensor) -> torch.Tensor:
    """The cumulative sums of each row. A row alone is summed as one of two: on a GPU another kernel sums a lone row,
    and its rounding may decide about the token at the edge."""
    if chances.shape[0] == 1:
        return chances.expand(2, -1).cumsum(-1)[:1]
    return chances.cumsum(-1)
