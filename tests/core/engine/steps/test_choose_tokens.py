"""Choices on the device: greedy, drawn, cut to the nucleus; the noise depends on seed and position alone."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.steps.choose_tokens import NOT_A_TOKEN, ChoiceRows, best_tokens, exponential_noise
from core.engine.steps.step import TokenChoice

CPU = torch.device("cpu")


def draw(scores: torch.Tensor, choice: TokenChoice, position: int = 0) -> int:
    rows = ChoiceRows(1, CPU)
    rows.set(0, choice)
    return int(rows.choose(scores[None], slice(0, 1), torch.tensor([position])))


@given(st.lists(st.floats(-8, 8, width=32), min_size=2, max_size=500), st.floats(0.05, 0.99), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_a_drawn_token_is_always_in_the_nucleus(values: list[float], top_p: float, seed: int) -> None:
    scores = torch.tensor(values)
    chosen = draw(scores, TokenChoice(temperature=1.0, top_p=top_p, seed=seed))
    chances = torch.softmax(scores.double(), 0)
    likelier = chances[chances > chances[chosen] * (1 + 1e-5)].sum()
    assert likelier < top_p + 1e-4


def test_draws_follow_the_chances() -> None:
    scores = torch.tensor([0.7, 0.2, 0.1]).log()
    drawn = [draw(scores, TokenChoice(temperature=1.0, seed=1), position) for position in range(3000)]
    shares = torch.bincount(torch.tensor(drawn), minlength=3) / 3000
    torch.testing.assert_close(shares, torch.tensor([0.7, 0.2, 0.1]), atol=0.03, rtol=0)


def test_a_row_draws_beside_others_what_it_draws_alone() -> None:
    scores = torch.randn(3, 400, generator=torch.Generator().manual_seed(1))
    choices = [TokenChoice(1.0, 0.9, 5), TokenChoice(), TokenChoice(0.7, 1.0, 6)]
    rows = ChoiceRows(3, CPU)
    for row, choice in enumerate(choices):
        rows.set(row, choice)
    positions = torch.tensor([11, 12, 13])
    together = rows.choose(scores, slice(0, 3), positions).tolist()
    assert together == [draw(scores[row], choices[row], 11 + row) for row in range(3)]
    assert together[1] == int(scores[1].argmax())


def test_noise_changes_with_seed_and_position_and_is_exponential() -> None:
    noise = exponential_noise(torch.tensor([[1], [1], [2]]), torch.tensor([[0], [1], [0]]), 20_000)
    assert noise.min() > 0
    torch.testing.assert_close(noise.mean(1), torch.ones(3), atol=0.03, rtol=0)
    assert abs(float(torch.corrcoef(noise)[0, 1])) < 0.03
    assert abs(float(torch.corrcoef(noise)[0, 2])) < 0.03


def test_scores_that_are_no_numbers_have_no_best_token() -> None:
    scores = torch.tensor([[1.0, 3.0], [float("nan"), 1.0], [float("inf"), 1.0]])
    assert best_tokens(scores).tolist() == [1, NOT_A_TOKEN, NOT_A_TOKEN]
    assert draw(scores[1], TokenChoice(temperature=1.0)) == NOT_A_TOKEN


def test_a_tiny_temperature_is_greedy() -> None:
    assert draw(torch.tensor([1.0, 300.0, -5.0]), TokenChoice(temperature=1e-9, seed=1)) == 1
