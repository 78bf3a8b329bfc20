"""What a step feeds and chooses with histories, given tokens and log-probabilities, on both paths that a CPU has."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.base.errors import UsageError
from core.engine.sampling.token_choice import DryPenalty, TokenChoice
from core.engine.steps.captured_step import CapturedStep
from core.engine.steps.plain_step import PlainStep
from core.engine.steps.rows import RowStep
from tests.core.engine.steps.conftest import greedy

PROMPT = [5, 9, 200, 17, 9, 200]
PATHS = pytest.mark.parametrize("path", [PlainStep, CapturedStep])
CHOICES = [
    TokenChoice(repetition_penalty=1.3),
    TokenChoice(temperature=0.9, seed=3, presence_penalty=0.7, frequency_penalty=0.2, top_k=50),
    TokenChoice(no_repeat_ngram=2),
    TokenChoice(temperature=0.5, seed=1, dry=DryPenalty(2.0), alternatives=3),
]


def made(step: RowStep, row: int, count: int) -> list[int | None]:
    return [step.advance()[row] for _ in range(count)]


@PATHS
def test_penalties_are_those_of_generate(exact_llama: Any, path: type[RowStep]) -> None:
    ids = torch.tensor([PROMPT])
    for mine, theirs in (
        (TokenChoice(repetition_penalty=1.3), {"repetition_penalty": 1.3}),
        (TokenChoice(no_repeat_ngram=2), {"no_repeat_ngram_size": 2}),
    ):
        step = path(exact_llama, 2)
        step.prefill(1, PROMPT, mine)
        wanted = exact_llama.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=40,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            **theirs,
        )[0, len(PROMPT) :]
        assert made(step, 1, 40) == wanted.tolist()


@PATHS
@pytest.mark.parametrize("choice", CHOICES)
def test_an_answer_is_the_same_alone_beside_others_and_continued(
    exact_llama: Any, path: type[RowStep], choice: TokenChoice
) -> None:
    alone = path(exact_llama)
    alone.prefill(0, PROMPT, choice)
    wanted = made(alone, 0, 20)
    beside = path(exact_llama, 3)
    beside.prefill(0, [3, 4, 5], TokenChoice(temperature=1.0, seed=9, frequency_penalty=1.0))
    made(beside, 0, 7)
    beside.prefill(2, PROMPT, choice)
    assert made(beside, 2, 20) == wanted
    # cut in the middle of the answer and continued from there, as a reused prefix is
    assert beside.cut(2, len(PROMPT) + 6) == len(PROMPT) + 6
    beside.prefill(2, wanted[6:9], choice, answered=9)  # type: ignore[arg-type]
    assert made(beside, 2, 11) == wanted[9:]
    assert beside.fed[2] == [*PROMPT, *wanted]
    # copied into another row
    beside.cut(2, len(PROMPT) + 4)
    beside.copy_in(1, beside.copy_out(2))
    beside.prefill(1, wanted[4:5], choice, answered=5)  # type: ignore[arg-type]
    assert made(beside, 1, 15) == wanted[5:]
    # and with its prompt fed in parts
    parts = path(exact_llama)
    parts.feed(0, PROMPT[:4])
    parts.prefill(0, PROMPT[4:], choice)
    assert made(parts, 0, 20) == wanted


@PATHS
def test_forced_tokens_are_fed_instead_of_the_chosen_ones(exact_llama: Any, path: type[RowStep]) -> None:
    plain = greedy(exact_llama, PROMPT, 20)
    step = path(exact_llama, 2)
    step.prefill(0, PROMPT)
    step.prefill(1, PROMPT)
    first = [step.advance() for _ in range(5)]
    step.force(0, [33])
    step.force(0, [44, 55])
    assert step.chosen() == [33, plain[5]]
    rest = [step.advance() for _ in range(10)]
    mine = [tokens[0] for tokens in [*first, *rest]]
    assert mine == [*plain[:5], 33, 44, 55, *greedy(exact_llama, [*PROMPT, *plain[:5], 33, 44, 55], 7)]
    assert [tokens[1] for tokens in [*first, *rest]] == plain[:15]
    step.force(0, [7, 7, 7])
    step.cut(0, len(PROMPT))
    step.prefill(0, [8])
    assert made(step, 0, 3) == greedy(exact_llama, [*PROMPT, 8], 3)


@PATHS
def test_a_token_that_was_read_before_it_is_fed_stays(exact_llama: Any, path: type[RowStep]) -> None:
    step = path(exact_llama)
    step.prefill(0, PROMPT, TokenChoice(alternatives=0))
    told: list[int] = []
    for count in range(6):
        chosen = step.chosen()
        assert chosen is not None
        told += chosen
        scores = step.log_probabilities(0)
        assert scores is not None
        assert scores.token == chosen[0]
        if count == 2:
            step.force(0, [33, 44])
        assert step.advance() == chosen
    plain = greedy(exact_llama, PROMPT, 3)
    assert told == [*plain, 33, 44, *greedy(exact_llama, [*PROMPT, *plain, 33, 44], 1)]


@PATHS
def test_forced_tokens_count_for_the_penalties(exact_llama: Any, path: type[RowStep]) -> None:
    choice = TokenChoice(repetition_penalty=1.5, frequency_penalty=0.5)
    step = path(exact_llama)
    step.prefill(0, PROMPT, choice)
    before = made(step, 0, 3)
    step.force(0, [33, 44])
    after = made(step, 0, 10)
    fresh = path(exact_llama)
    fresh.prefill(0, [*PROMPT, *before, 33, 44], choice, answered=5)  # type: ignore[list-item]
    assert made(fresh, 0, 8) == after[2:]


@PATHS
def test_log_probabilities_are_of_the_raw_scores(exact_llama: Any, path: type[RowStep]) -> None:
    step = path(exact_llama, 2)
    step.prefill(0, PROMPT, TokenChoice(temperature=1.3, seed=2, repetition_penalty=1.4, alternatives=4))
    step.prefill(1, PROMPT)
    ids = list(PROMPT)
    for index in range(8):
        if index == 5:
            step.force(0, [77])
        (token, _) = step.advance()
        assert token is not None
        with torch.inference_mode():
            logs = torch.log_softmax(exact_llama(torch.tensor([ids])).logits[0, -1].float(), -1)
        told = step.log_probabilities(0)
        assert told is not None
        assert (told.token, told.log_probability) == (token, pytest.approx(float(logs[token]), abs=1e-3))
        values, best = logs.topk(4)
        assert [token for token, _ in told.alternatives] == best.tolist()
        assert [value for _, value in told.alternatives] == pytest.approx(values.tolist(), abs=1e-3)
        ids.append(token)
    assert step.log_probabilities(1) is None


def test_a_token_that_the_model_does_not_have_is_refused(llama: Any) -> None:
    with pytest.raises(UsageError, match="100000 is no token"):
        PlainStep(llama).prefill(0, PROMPT, TokenChoice(bias=((100_000, 1.0),)))
