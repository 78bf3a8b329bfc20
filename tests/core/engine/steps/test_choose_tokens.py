"""Choices on the device: greedy, drawn, cut to the nucleus; the noise depends on seed and position alone."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.sampling.token_choice import GREEDY, DryPenalty, TokenChoice
from core.engine.steps.choose_tokens import NOT_A_TOKEN, ChoiceRows, best_tokens, exponential_noise

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


def history_rows(choices: list[TokenChoice], histories: list[list[int]], answered: int = 0) -> ChoiceRows:
    rows = ChoiceRows(len(choices), CPU)
    for row, (choice, history) in enumerate(zip(choices, histories, strict=True)):
        rows.set(row, choice, history, answered)
    return rows


WISHES = [
    TokenChoice(temperature=0.9, seed=3, repetition_penalty=1.3),
    TokenChoice(presence_penalty=1.0, frequency_penalty=0.5),
    TokenChoice(temperature=1.1, top_p=0.8, top_k=30, seed=4, no_repeat_ngram=2),
    TokenChoice(temperature=0.7, min_p=0.1, seed=5, dry=DryPenalty(0.8, 1.75, 2, (7,))),
    TokenChoice(temperature=1.0, seed=6),
    GREEDY,
    TokenChoice(temperature=1.0, seed=8, bias=((3, 2.0), (5, -100.0)), min_tokens=4, stop_ids=(1, 2)),
]


@given(st.lists(st.sampled_from(WISHES), min_size=1, max_size=7), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_row_chooses_beside_others_with_other_settings_what_it_chooses_alone(
    choices: list[TokenChoice], seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    histories = [torch.randint(0, 40, (20 + 3 * row,), generator=random).tolist() for row in range(len(choices))]
    scores = torch.randn(len(choices), 40, generator=random)
    positions = torch.tensor([len(history) for history in histories])
    together = history_rows(choices, histories, 5).choose(scores, slice(0, len(choices)), positions).tolist()
    for row, choice in enumerate(choices):
        alone = history_rows([choice], [histories[row]], 5)
        assert int(alone.choose(scores[row : row + 1], slice(0, 1), positions[row : row + 1])) == together[row]


@given(st.sampled_from(WISHES), st.integers(0, 10_000), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_drafted_tokens_are_chosen_as_one_after_the_other(choice: TokenChoice, seed: int, count: int) -> None:
    random = torch.Generator().manual_seed(seed)
    history = torch.randint(0, 12, (15,), generator=random).tolist()
    drafted = torch.randint(0, 12, (count,), generator=random).tolist()
    scores = torch.randn(count + 1, 12, generator=random)
    ahead = history_rows([choice], [history]).choose_drafted(0, scores, len(history), drafted).tolist()
    rows = history_rows([choice], [history])
    for index in range(count + 1):
        position = torch.tensor([len(history) + index])
        assert int(rows.choose(scores[index : index + 1], slice(0, 1), position)) == ahead[index]
        if index < count:
            rows.record(torch.tensor([drafted[index]]), [len(history) + index])


def test_penalties_hold_for_greedy_rows_and_an_empty_choice_falls_back() -> None:
    scores = torch.tensor([[3.0, 2.9, -1.0]])
    place = torch.tensor([2])
    assert history_rows([TokenChoice(repetition_penalty=1.2)], [[0, 0]]).choose(
        scores, slice(0, 1), place
    ).tolist() == [1]
    everything = history_rows([TokenChoice(no_repeat_ngram=1)], [[0, 1, 2]])
    assert everything.choose(scores, slice(0, 1), torch.tensor([3])).tolist() == [0]


def test_ends_are_not_chosen_before_the_least_number_of_tokens() -> None:
    scores = torch.tensor([[3.0, 1.0]])
    rows = history_rows([TokenChoice(min_tokens=2, stop_ids=(0,))], [[1, 1, 1]], answered=1)
    assert [int(rows.choose(scores, slice(0, 1), torch.tensor([place]))) for place in (2, 3, 4)] == [1, 1, 0]


def test_what_needs_no_work_is_told_apart() -> None:
    rows = history_rows([GREEDY, TokenChoice(alternatives=0), TokenChoice(frequency_penalty=0.1)], [[], [], []])
    assert [rows.takes_best_scores([row]) for row in range(3)] == [True, False, False]
    assert [rows.needs_history([row]) for row in range(3)] == [False, False, True]
    assert [rows.wants_scores([row]) for row in range(3)] == [False, True, False]
