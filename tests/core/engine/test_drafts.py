"""Drafts: what is proposed after a difference, and that an answer with drafts is the answer without."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.drafts import MATCH, DraftLength, DraftSource, accepted_tokens
from core.engine.sampling.token_choice import DryPenalty, TokenChoice
from core.engine.steps.choose_tokens import ChoiceRows

VOCABULARY = 24
Model = Callable[[Sequence[int]], torch.Tensor]


def scripted_model(seed: int) -> Model:
    """Scores that depend on the last two tokens alone, so that answers repeat parts of themselves."""

    def scores(ids: Sequence[int]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + ids[-1] * 1009 + (ids[-2] if len(ids) > 1 else 0))
        return torch.randn(VOCABULARY, generator=generator) * 2

    return scores


def plain_answer(model: Model, prompt: list[int], choice: TokenChoice, count: int) -> list[int]:
    rows = ChoiceRows(1, torch.device("cpu"))
    rows.set(0, choice, prompt)
    ids = list(prompt)
    for _ in range(count):
        token = int(rows.choose(model(ids)[None], slice(0, 1), torch.tensor([len(ids)])))
        rows.record(torch.tensor([token]), [len(ids)])
        ids.append(token)
    return ids[len(prompt) :]


def drafted_answer(
    model: Model, prompt: list[int], choice: TokenChoice, count: int, old: list[int]
) -> tuple[list[int], int]:
    """The answer and how many verifying steps it took. A row holds its tokens without the one chosen last."""
    rows = ChoiceRows(1, torch.device("cpu"))
    rows.set(0, choice, prompt)
    source, length = DraftSource(old, prompt), DraftLength(7)
    answer: list[int] = []
    steps = 0
    while len(answer) < count:
        drafted = source.propose(length.length)
        held = [*prompt, *answer]
        scores = torch.stack([model([*held, *drafted[:index]]) for index in range(len(drafted) + 1)])
        chosen = rows.choose_drafted(0, scores, len(held), drafted).tolist()
        new = accepted_tokens(drafted, chosen)
        length.report(len(drafted), len(new) - 1)
        for token in new:
            rows.record(torch.tensor([token]), [len(prompt) + len(answer)])
            answer.append(token)
            source.push(token)
        steps += 1
    return answer[:count], steps


CHOICES = st.sampled_from(
    [
        TokenChoice(),
        TokenChoice(temperature=0.8, seed=4),
        TokenChoice(temperature=1.2, seed=5, top_p=0.9, repetition_penalty=1.2, frequency_penalty=0.3),
        TokenChoice(dry=DryPenalty(1.0), no_repeat_ngram=4),
    ]
)


@given(st.integers(0, 500), CHOICES, st.integers(0, 20), st.lists(st.integers(0, VOCABULARY - 1), max_size=30))
@settings(max_examples=60, deadline=None)
def test_an_answer_with_drafts_is_the_answer_without(
    seed: int, choice: TokenChoice, edited: int, junk: list[int]
) -> None:
    model, prompt = scripted_model(seed), [1, 2, 3, 4]
    wanted = plain_answer(model, prompt, choice, 40)
    for old in (wanted, junk, [*wanted[:edited], *junk, *wanted[edited:]], []):
        assert drafted_answer(model, prompt, choice, 40, old)[0] == wanted


def test_the_same_answer_again_takes_an_eighth_of_the_steps() -> None:
    choice = TokenChoice(temperature=1.0, seed=2)
    wanted = plain_answer(scripted_model(3), [1, 2], choice, 200)
    assert drafted_answer(scripted_model(3), [1, 2], choice, 200, wanted)[1] <= 200 / 8 + 3


def test_after_a_difference_the_old_answer_is_taken_up_where_it_was_left() -> None:
    old = list(range(100, 160))
    source = DraftSource(old)
    assert source.propose(4) == [100, 101, 102, 103]
    for token in (100, 101, 7, 8, 9):  # 102 is replaced by three others
        source.push(token)
    assert source.propose(4) == []
    for token in (103, 104, 105):
        source.push(token)
    assert source.propose(4) == [106, 107, 108, 109]


def test_of_several_places_the_nearest_to_the_expected_one_is_taken() -> None:
    chorus = [1, 2, 3]
    old = [*chorus, 10, *range(50, 60), *chorus, 20, *range(60, 70), *chorus, 30]
    source = DraftSource(old)
    for token in [*chorus, 10, *range(50, 59), 5, *chorus]:
        source.push(token)
    assert source.propose(1) == [20]


def test_the_prompt_is_a_source_too() -> None:
    source = DraftSource([], prompt=[9, 4, 5, 6, 7, 8, 3])
    for token in (4, 5, 6):
        source.push(token)
    assert source.propose(2) == [7, 8]
    source.push(7)
    assert source.propose(3) == [8, 3, 4]


def test_nothing_is_proposed_beyond_the_end_of_the_old_answer() -> None:
    source = DraftSource([1, 2, 3])
    source.push(1)
    assert source.propose(7) == [2, 3]
    for token in (2, 3):
        source.push(token)
    assert source.propose(7) == []


@given(st.lists(st.integers(0, 5), max_size=80), st.lists(st.integers(0, 5), max_size=80))
def test_what_is_proposed_stood_somewhere_behind_the_last_tokens(old: list[int], new: list[int]) -> None:
    source = DraftSource(old)
    for count, token in enumerate(new, 1):
        source.push(token)
        drafted = source.propose(3)
        text = ",".join(map(str, [*old, -1, *new[:count]]))
        assert ",".join(map(str, drafted)) in text
        assert len(drafted) <= 3


def test_two_edits_in_a_long_answer_cost_few_tokens_without_drafts() -> None:
    numbers = random.Random(5)
    old = [numbers.randrange(2000) for _ in range(600)]
    new = [*old[:150], 3001, 3002, *old[150:400], *old[420:]]
    source, missed = DraftSource(old), 0
    for token in new:
        missed += source.propose(1) != [token]
        source.push(token)
    assert missed <= 2 * (MATCH + 2)


def test_the_length_follows_success_and_rests_after_failures() -> None:
    length = DraftLength(7)
    assert length.length == 6
    length.report(6, 6)
    assert length.length == 7
    length.report(7, 3)
    assert (length.length, length.why) == (3, "")
    for _ in range(3):
        length.report(length.length, 0)
    assert length.length == 0
    assert "wrong from the start" in length.why
    for _ in range(16):
        length.report(0, 0)
    assert (length.length, length.why) == (1, "")
    for _ in range(3):
        length.report(1, 0)
    for _ in range(31):
        length.report(0, 0)
    assert length.length == 0
    assert "no free column" in DraftLength(0).why
