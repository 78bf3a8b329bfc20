"""The decode loop against `generate` of the same model, and its promises: chunks, seeds, stops, limits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import EngineError
from core.engine.decode_loop import CachedStepper, Decoding, Sampler

PROMPT = list("The mountain 立山 stands in Toyama. ".encode()) * 4
NO_STOP = frozenset[int]()


def decoding(model: Any, *, limit: int = 40, chunk: int = 256, **sampling: Any) -> Decoding:
    return Decoding(
        CachedStepper(model),
        PROMPT,
        Sampler(**sampling),
        limit=limit,
        stop_ids=NO_STOP,
        stopped=lambda: False,
        chunk=chunk,
    )


def test_greedy_equals_generate_token_for_token(tiny_model: Any) -> None:
    whole = tiny_model.generate(torch.tensor([PROMPT]), max_new_tokens=60, do_sample=False, eos_token_id=None)
    made = list(decoding(tiny_model, limit=60))
    assert made == whole[0, len(PROMPT) :].tolist()
    assert len(set(made)) > 5, "the tiny model repeats itself: the comparison says little"


@pytest.mark.parametrize("chunk", [1, 7, 64, len(PROMPT) - 1, len(PROMPT)])
def test_a_prompt_fed_in_chunks_is_the_prompt_fed_whole(tiny_model: Any, chunk: int) -> None:
    assert list(decoding(tiny_model, chunk=chunk)) == list(decoding(tiny_model, chunk=10_000))


def test_the_scores_are_those_of_a_plain_forward_pass(tiny_model: Any) -> None:
    stepper = CachedStepper(tiny_model)
    stepper.feed(PROMPT[:50])
    with torch.inference_mode():
        plain = tiny_model(torch.tensor([PROMPT])).logits[0, -1]
    torch.testing.assert_close(stepper.feed(PROMPT[50:]), plain, rtol=1e-4, atol=1e-4)


def test_sampling_repeats_with_its_seed_and_varies_without(tiny_model: Any) -> None:
    def draw(seed: int | None) -> list[int]:
        return list(decoding(tiny_model, temperature=1.0, top_p=0.95, seed=seed))

    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
    assert draw(None) != draw(None)


@given(st.lists(st.floats(-8, 8), min_size=2, max_size=2000), st.floats(0.05, 0.99), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_a_drawn_token_is_always_in_the_nucleus(scores: list[float], top_p: float, seed: int) -> None:
    tensor = torch.tensor(scores)
    chosen = Sampler(temperature=1.0, top_p=top_p, seed=seed).choose(tensor)
    chances = torch.softmax(tensor.double(), 0)
    likelier = chances[chances > chances[chosen] * (1 + 1e-5)].sum()
    assert likelier < top_p + 1e-4  # those before it do not yet make up the mass


def test_draws_follow_the_chances() -> None:
    sampler = Sampler(temperature=1.0, seed=1)
    chances = torch.tensor([0.7, 0.2, 0.1])
    drawn = torch.bincount(torch.tensor([sampler.choose(chances.log()) for _ in range(4000)]), minlength=3) / 4000
    torch.testing.assert_close(drawn, chances, atol=0.03, rtol=0)


def test_a_tiny_temperature_is_greedy_and_not_a_division_by_nearly_nothing() -> None:
    assert Sampler(temperature=1e-9, seed=1).choose(torch.tensor([1.0, 300.0, -5.0])) == 1


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_an_error(temperature: float, bad: float) -> None:
    with pytest.raises(EngineError, match="not numbers"):
        Sampler(temperature=temperature).choose(torch.tensor([0.0, bad, 1.0]))


class Script:
    """A stepper that scores the next token of a script highest, and counts what it was fed."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens, self.fed = tokens, list[int]()
        self._at = 0

    def feed(self, ids: Any) -> torch.Tensor:
        self.fed.append(len(ids))
        if len(ids) == 1:
            self._at += 1
        scores = torch.zeros(300)
        scores[self.tokens[self._at]] = 1.0
        return scores


def scripted(
    tokens: list[int], *, limit: int = 100, stopped: Any = lambda: False, prompt: int = 10, chunk: int = 4
) -> tuple[Script, Decoding]:
    script = Script(tokens)
    return script, Decoding(
        script, [5] * prompt, Sampler(), limit=limit, stop_ids=frozenset({257, 258}), stopped=stopped, chunk=chunk
    )


@pytest.mark.parametrize("end", [257, 258])
def test_a_stop_id_ends_the_answer_and_is_not_part_of_it(end: int) -> None:
    _, run = scripted([1, 1, 2, end, 3])
    assert list(run) == [1, 1, 2]
    assert (run.reason, run.tokens) == ("end", 3)


def test_an_answer_that_ends_at_once_is_empty() -> None:
    _, run = scripted([257])
    assert list(run) == []
    assert (run.reason, run.tokens) == ("end", 0)


def test_the_limit_ends_the_answer_without_another_forward_pass() -> None:
    script, run = scripted([1] * 50, limit=5)
    assert list(run) == [1] * 5
    assert run.reason == "length"
    assert script.fed == [4, 4, 2, 1, 1, 1, 1]


def test_a_stop_between_two_chunks_of_the_prompt_ends_it_there() -> None:
    asked = iter([False, True])
    script, run = scripted([1] * 50, stopped=lambda: next(asked))
    assert list(run) == []
    assert (run.reason, script.fed) == ("stopped", [4])


def test_after_a_stop_no_further_token_comes() -> None:
    made: list[int] = []
    _, run = scripted([1] * 50, stopped=lambda: len(made) >= 3)
    for token in run:
        made.append(token)
    assert (len(made), run.reason, run.tokens) == (3, "stopped", 3)


def test_timings_are_in_order() -> None:
    _, run = scripted([1] * 50, limit=20)
    list(run)
    assert 0 < run.prefill <= run.first_token <= run.total
    assert run.rate > 0


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(EngineError, match="no tokens"):
        scripted([1], prompt=0)
