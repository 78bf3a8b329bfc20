"""Penalties of tokens that occurred before, by their counts. Scores are float32 of shape (rows, vocabulary); settings
are of shape (rows, 1); nothing is changed in place and nothing waits for the host."""

from __future__ import annotations

import torch


def token_counts(ids: torch.Tensor, first: torch.Tensor, end: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """How often each token occurs in a row's positions `first` up to `end`, int32, shape (rows, vocabulary).

    ids: int64, shape (rows, capacity). first, end: int64, shape (rows, 1).
    """
    places = torch.arange(ids.shape[1], device=ids.device)[None]
    counted = ((places >= first) & (places < end)).to(torch.int32)
    counts = torch.zeros(ids.shape[0], vocabulary, dtype=torch.int32, device=ids.device)
    return counts.scatter_add_(1, ids, counted)


def repetition_penalised(scores: torch.Tensor, counts: torch.Tensor, penalty: torch.Tensor) -> torch.Tensor:
    """Scores of tokens with a count divided by the penalty where positive, multiplied where negative."""
    changed = torch.where(scores < 0, scores * penalty, scores / penalty)
    return torch.where(counts > 0, changed, scores)


def count_penalised(
    scores: torch.Tensor, counts: torch.Tensor, presence: torch.Tensor, frequency: torch.Tensor
) -> torch.Tensor:
    """OpenAI's penalties: `frequency` for every occurrence and `presence` for the first."""
    return scores - frequency * counts - presence * (counts > 0)
