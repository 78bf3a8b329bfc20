"""Plain and captured steps against `generate` of the same model: three kinds of cache, rows of their own lengths,
growth and cuts. Without a GPU the captured step runs its pass unrecorded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import EngineError
from core.engine.steps.captured_step import CapturedStep
from core.engine.steps.choose_tokens import NOT_A_TOKEN
from core.engine.steps.plain_step import PlainStep
from core.engine.steps.rows import RowStep
from tests.core.engine.steps.conftest import greedy

PROMPTS = [list(range(3, 40)), [5, 9, 200, 17], list(range(300, 250, -1)), [7]]


def advance(step: RowStep, count: int) -> list[list[int | None]]:
    return [step.advance() for _ in range(count)]


@pytest.mark.parametrize("kind", ["llama", "sliding", "hybrid"])
def test_the_plain_step_makes_the_ids_of_generate(kind: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    step = PlainStep(model, rows=len(PROMPTS))
    for row, prompt in enumerate(PROMPTS):
        step.prefill(row, prompt)
    made = advance(step, 30)
    for row, prompt in enumerate(PROMPTS):
        assert [tokens[row] for tokens in made] == greedy(model, prompt, 30)
        assert step.length(row) == len(prompt) + 30


def test_the_captured_pass_makes_them_too_and_grows_on_the_way(llama: Any) -> None:
    step = CapturedStep(llama, rows=len(PROMPTS), capacity=16)
    for row, prompt in enumerate(PROMPTS):
        step.prefill(row, prompt)
    made = advance(step, 30)
    assert step.cache.capacity == 128
    for row, prompt in enumerate(PROMPTS):
        assert [tokens[row] for tokens in made] == greedy(llama, prompt, 30)


@pytest.mark.parametrize("path", [PlainStep, CapturedStep])
def test_a_row_joins_and_leaves_while_another_goes_on(llama: Any, path: type[RowStep]) -> None:
    step = path(llama, 2)
    step.prefill(0, PROMPTS[0])
    first = [tokens[0] for tokens in advance(step, 5)]
    step.prefill(1, PROMPTS[1])
    both = advance(step, 10)
    step.release(1)
    last = advance(step, 5)
    assert [*first, *(tokens[0] for tokens in both), *(tokens[0] for tokens in last)] == greedy(llama, PROMPTS[0], 20)
    assert [tokens[1] for tokens in both] == greedy(llama, PROMPTS[1], 10)
    assert all(tokens[1] is None for tokens in last)
    assert step.length(1) == 0


@pytest.mark.parametrize("path", [PlainStep, CapturedStep])
@given(keep=st.integers(0, 37), more=st.lists(st.integers(1, 319), min_size=1, max_size=20))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_row_goes_on_as_if_it_had_been_fed_anew(
    exact_llama: Any, path: type[RowStep], keep: int, more: list[int]
) -> None:
    step = path(exact_llama)
    step.prefill(0, PROMPTS[0])
    advance(step, 6)
    assert step.cut(0, keep) == keep
    step.prefill(0, more)
    assert [tokens[0] for tokens in advance(step, 8)] == greedy(exact_llama, [*PROMPTS[0][:keep], *more], 8)


@pytest.mark.parametrize("kind", ["sliding", "hybrid"])
def test_a_cache_that_cannot_be_cut_says_so_by_keeping_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    step = PlainStep(model)
    step.prefill(0, PROMPTS[0])
    advance(step, 3)
    assert step.cut(0, 20) == 0
    step.prefill(0, PROMPTS[1])
    assert [tokens[0] for tokens in advance(step, 5)] == greedy(model, PROMPTS[1], 5)


def test_scores_are_those_of_a_plain_forward_pass(llama: Any) -> None:
    step = PlainStep(llama)
    step.prefill(0, PROMPTS[0])
    (token,) = step.advance()
    with torch.inference_mode():
        want = llama(torch.tensor([[*PROMPTS[0], token]])).logits[0, -1]
    torch.testing.assert_close(step.scores(0), want, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_fed_is_refused_in_words(llama: Any) -> None:
    step = PlainStep(llama, 2)
    with pytest.raises(EngineError, match="there is no row 2"):
        step.prefill(2, [1])
    with pytest.raises(EngineError, match="no tokens"):
        step.prefill(0, [])
    with pytest.raises(EngineError, match="context of 512"):
        step.prefill(0, [1] * 513)
    assert step.advance() == [None, None]


def test_scores_that_are_no_numbers_end_the_row(make_model: Any) -> None:
    broken = make_model("llama", seed=3)
    broken.lm_head.weight.data[7] = float("nan")
    step = PlainStep(broken)
    step.prefill(0, [1, 2])
    assert step.advance() == [NOT_A_TOKEN]
    assert step.advance() == [None]
