"""Cuts the scores to the tokens that are drawn from: top-k, top-p (Holtzman et al., 2020,
https://arxiv.org/abs/1904.09751) and min-p (Nguyen et al., 2024, https://arxiv.org/abs/2407.01082)."""

from __future__ import annotations

import torch

_OUT = float("-inf")
_HEAD = 1024  # most likely tokens that are tried first on a CPU


def cut_to_most_likely(scores: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Scores outside of top-k, and then of top-p of what is left, become minus infinity; the best one stays.

    scores: float32, shape (rows, vocabulary). top_k: int64, shape (rows, 1), 0 keeps all; scores equal to the last of
    the k stay. top_p: shape (rows, 1), 1 keeps all.
    """
    if scores.device.type != "cpu":
        return _cut_sorted(scores, top_k, top_p)
    rows = []
    for row in range(scores.shape[0]):
        only = slice(row, row + 1)
        head = _cut_head(scores[row], int(top_k[row]), float(top_p[row]))
        rows.append(_cut_sorted(scores[only], top_k[only], top_p[only])[0] if head is None else head)
    return torch.stack(rows)


def _cut_sorted(scores: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """`cut_to_most_likely` by sorting the whole vocabulary, for all rows at once."""
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


def _cut_head(scores: torch.Tensor, top_k: int, top_p: float) -> torch.Tensor | None:
    """`cut_to_most_likely` for one row on a CPU, by its most likely tokens alone: sorting a whole vocabulary costs as
    much there as a layer of the model. None where they do not decide."""
    count = min(_HEAD, scores.shape[0])
    values, tokens = torch.topk(scores, count)
    is_all = count == scores.shape[0]
    if top_k:
        last = values[min(top_k, count) - 1]
        if not is_all and (top_k > count or values[-1] >= last):
            return None
        scores = scores.masked_fill(scores < last, _OUT)
        values = values.masked_fill(values < last, _OUT)
    if top_p >= 1.0:
        return scores
    chances = torch.exp(values - torch.logsumexp(scores, 0))
    sums = chances.cumsum(0)
    if not is_all and sums[-1] < top_p:
        return None
    inside = sums - chances < top_p
    inside[0] = True
    return torch.full_like(scores, _OUT).scatter_(0, tokens[inside], values[inside])


def _running_sums(chances: torch.Tensor) -> torch.Tensor:
    """The cumulative sums of each row. A row alone is summed as one of two: on a GPU another kernel sums a lone row,
    and its rounding may decide about the token at the edge."""
    if chances.shape[0] == 1:
        return chances.expand(2, -1).cumsum(-1)[:1]
    return chances.cumsum(-1)
