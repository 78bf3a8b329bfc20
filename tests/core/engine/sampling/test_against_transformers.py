"""Every penalty and cut beside the definition of the same name in Transformers, on random scores and sequences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation import logits_process as theirs

from core.engine.sampling.cuts import cut_by_share, cut_to_most_likely
from core.engine.sampling.penalties import count_penalised, repetition_penalised, token_counts
from core.engine.sampling.repeats import banned_by_ngram

VOCABULARY = 12
SEQUENCES = st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=40), min_size=1, max_size=4)


def random_scores(rows: int, seed: int, size: int = VOCABULARY) -> torch.Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed)) * 3


def padded(sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of their own lengths in one tensor, with other tokens behind them."""
    ids = torch.randint(0, VOCABULARY, (len(sequences), 64), generator=torch.Generator().manual_seed(7))
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
    return ids, torch.tensor([[len(sequence)] for sequence in sequences])


def each_row(processor: Any, sequences: list[list[int]], scores: torch.Tensor) -> torch.Tensor:
    return torch.cat(
        [processor(torch.tensor([ids]), scores[row : row + 1].clone()) for row, ids in enumerate(sequences)]
    )


@given(SEQUENCES, st.floats(0.2, 3.0), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_repetition_penalty(sequences: list[list[int]], penalty: float, seed: int) -> None:
    ids, lengths = padded(sequences)
    scores = random_scores(len(sequences), seed)
    counts = token_counts(ids, torch.zeros_like(lengths), lengths, VOCABULARY)
    ours = repetition_penalised(scores, counts, torch.full((len(sequences), 1), penalty))
    wanted = each_row(theirs.RepetitionPenaltyLogitsProcessor(penalty), sequences, scores)
    torch.testing.assert_close(ours, wanted)


@given(SEQUENCES, st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_no_repeat_ngram(sequences: list[list[int]], size: int, seed: int) -> None:
    ids, lengths = padded(sequences)
    scores = random_scores(len(sequences), seed)
    ours = scores.masked_fill(banned_by_ngram(ids, lengths, size, VOCABULARY), float("-inf"))
    torch.testing.assert_close(ours, each_row(theirs.NoRepeatNGramLogitsProcessor(size), sequences, scores))


@given(st.integers(1, 300), st.integers(1, 320), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_top_k(size: int, top_k: int, seed: int) -> None:
    scores = random_scores(2, seed, size).round(decimals=1)  # with ties
    ours = cut_to_most_likely(scores, torch.full((2, 1), top_k), torch.ones(2, 1))
    wanted = theirs.TopKLogitsWarper(top_k)(torch.zeros(2, 1), scores)
    torch.testing.assert_close(ours, wanted)


@given(st.integers(2, 300), st.floats(0.05, 0.999), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_top_p(size: int, top_p: float, seed: int) -> None:
    scores = random_scores(2, seed, size)
    ours = cut_to_most_likely(scores, torch.zeros(2, 1, dtype=torch.int64), torch.full((2, 1), top_p))
    wanted = theirs.TopPLogitsWarper(top_p)(torch.zeros(2, 1), scores)
    different = ours.isfinite() != wanted.isfinite()
    assert different.sum(1).max() <= 1  # a token just at the edge, where the order of a sum decides
    chances = torch.softmax(scores.double(), 1)
    for row, token in different.nonzero().tolist():
        above = chances[row][chances[row] > chances[row, token]].sum()
        assert abs(float(above) - top_p) < 1e-5
    same = ours.isfinite() & wanted.isfinite()
    assert torch.equal(ours[same], scores[same])


@given(st.integers(1025, 3000), st.integers(0, 1500), st.floats(0.05, 1.0), st.floats(0.1, 3.0), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_large_vocabularies_are_cut_alike_whether_their_head_decides_or_not(
    size: int, top_k: int, top_p: float, spread: float, seed: int
) -> None:
    scores = random_scores(1, seed, size) * spread
    ours = cut_to_most_likely(scores, torch.tensor([[top_k]]), torch.tensor([[top_p]]))
    wanted = scores if not top_k else theirs.TopKLogitsWarper(top_k)(torch.zeros(1, 1), scores)
    if top_p < 1.0:
        wanted = theirs.TopPLogitsWarper(top_p)(torch.zeros(1, 1), wanted)
    assert (ours.isfinite() != wanted.isfinite()).sum() <= 3  # at the edge, where the order of a sum decides
    assert torch.equal(ours[ours.isfinite()], scores[ours.isfinite()])


@given(st.integers(1, 300), st.floats(0.0, 1.0), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_min_p(size: int, min_p: float, seed: int) -> None:
    scores = random_scores(2, seed, size)
    ours = cut_by_share(scores, torch.full((2, 1), min_p))
    torch.testing.assert_close(ours, theirs.MinPLogitsWarper(min_p)(torch.zeros(2, 1), scores))


@given(st.integers(1, 12), st.floats(0.1, 0.99), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_top_k_and_then_top_p(top_k: int, top_p: float, seed: int) -> None:
    scores = random_scores(3, seed, 40)
    ours = cut_to_most_likely(scores, torch.full((3, 1), top_k), torch.full((3, 1), top_p))
    first = theirs.TopKLogitsWarper(top_k)(torch.zeros(3, 1), scores)
    wanted = theirs.TopPLogitsWarper(top_p)(torch.zeros(3, 1), first)
    assert (ours.isfinite() != wanted.isfinite()).sum() <= 1


@given(SEQUENCES, st.floats(-2, 2), st.floats(-2, 2), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_presence_and_frequency_count_the_answer_only(
    sequences: list[list[int]], presence: float, frequency: float, prompt: int
) -> None:
    """OpenAI's formula: score - frequency * count - presence * (count > 0)."""
    ids, lengths = padded(sequences)
    scores = random_scores(len(sequences), 1)
    rows = len(sequences)
    counts = token_counts(ids, torch.full((rows, 1), prompt), lengths, VOCABULARY)
    ours = count_penalised(scores, counts, torch.full((rows, 1), presence), torch.full((rows, 1), frequency))
    for row, sequence in enumerate(sequences):
        answer = sequence[prompt:]
        for token in range(VOCABULARY):
            count = answer.count(token)
            wanted = float(scores[row, token]) - frequency * count - presence * (count > 0)
            assert float(ours[row, token]) == pytest.approx(wanted, abs=1e-4)
