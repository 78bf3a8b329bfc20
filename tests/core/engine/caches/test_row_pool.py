"""Answers through rows and kept caches against `generate` of the same model: batches, edits, adapters, three kinds of
cache."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine.answer_reader import AnswerReader
from core.engine.caches import lane_maker
from core.engine.caches.lane import Lane
from core.engine.caches.row_pool import RowPool, make_pool
from core.engine.sequence import AnswerSequence
from core.engine.steps.captured_step import CapturedStep
from core.engine.steps.rows import RowStep
from core.engine.steps.step import GREEDY, TokenChoice
from core.engine.thinking_budget import ThinkingBudget
from core.splitter.splitter import THINK, Splitter
from core.tokens.tokenizer import TextTokenizer
from tests.core.engine.run_sequence import run, start, step
from tests.core.engine.steps.conftest import greedy

BUDGET = 64 << 20
VOCABULARY = 250
KINDS = ["llama", "sliding", "hybrid"]


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(tiny_folder)


class Asked:
    """Makes sequences of one test."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer

    def __call__(self, prompt: list[int], limit: int = 10, adapter: str | None = None, **more: Any) -> AnswerSequence:
        made = AnswerSequence(
            prompt,
            AnswerReader(self._tokenizer, None),
            limit=limit,
            stop_ids=frozenset(),
            **({"choice": GREEDY} | more),
        )
        made.adapter = adapter
        return made


@pytest.fixture(scope="module")
def asked(tokenizer: TextTokenizer) -> Asked:
    return Asked(tokenizer)


def random_ids(source: random.Random, longest: int = 60) -> list[int]:
    return [source.randrange(1, VOCABULARY) for _ in range(source.randrange(1, longest))]


def edits(source: random.Random, prompt: list[int]) -> Iterator[list[int]]:
    """Edits of a prompt: at the beginning, at the end, none, all but emptied, and somewhere."""
    yield [source.randrange(1, VOCABULARY), *prompt[1:]]
    yield [*prompt, source.randrange(1, VOCABULARY)]
    yield list(prompt)
    yield prompt[:1]
    at = source.randrange(len(prompt))
    yield prompt[:at] + random_ids(source, 5) + prompt[at + source.randrange(3) :]


def model_of(kind: str, request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("exact_llama" if kind == "llama" else kind)


def test_a_hundred_prompts_cold(llama: Any, asked: Asked) -> None:
    source, pool = random.Random(1), make_pool(llama, (), BUDGET)
    for _ in range(100):
        sequence = asked(random_ids(source), cold=True)
        run(pool, sequence)
        assert sequence.tokens == greedy(llama, sequence.prompt, 10)
        assert (sequence.reused, sequence.path) == (0, "plain")


@pytest.mark.parametrize("kind", KINDS)
def test_re_asked_after_edits(kind: str, request: pytest.FixtureRequest, asked: Asked) -> None:
    model = model_of(kind, request)
    source, pool = random.Random(2), make_pool(model, (), BUDGET)
    reused = 0
    for _ in range(10):
        prompt = random_ids(source)
        run(pool, asked(prompt))
        for edited in edits(source, prompt):
            sequence = asked(edited)
            run(pool, sequence)
            assert sequence.tokens == greedy(model, edited, 10)
            assert sequence.reused < len(edited)
            assert bool(sequence.reused) != bool(sequence.reuse_why)
            reused += sequence.reused
    assert reused > 100


@pytest.mark.parametrize("kind", KINDS)
def test_continued_stopped_and_continued(kind: str, request: pytest.FixtureRequest, asked: Asked) -> None:
    model = model_of(kind, request)
    source, pool = random.Random(3), make_pool(model, (), BUDGET)
    for _ in range(8):
        sequence = asked(random_ids(source), limit=100)
        start(pool, sequence)
        for _ in range(source.randrange(1, 12)):
            step(pool)
        sequence.end("stopped")
        pool.leave(sequence)
        more = asked(sequence.ids + random_ids(source, 4))
        run(pool, more)
        assert more.tokens == greedy(model, more.prompt, 10)
        assert more.reused >= len(sequence.ids) - 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 3, 8])
def test_in_batches_where_rows_come_and_go(kind: str, count: int, request: pytest.FixtureRequest, asked: Asked) -> None:
    model = model_of(kind, request)
    source, pool = random.Random(count), make_pool(model, (), BUDGET)
    waiting = [asked(random_ids(source), limit=source.randrange(1, 25)) for _ in range(3 * count)]
    everyone, live = list(waiting), list[AnswerSequence]()
    while waiting or live:
        while waiting and len(live) < count:
            live.append(waiting.pop())
            start(pool, live[-1], chunk=20)
        step(pool)
        live = [sequence for sequence in live if sequence.reason is None]
        assert pool.live == len(live)
    for sequence in everyone:
        assert sequence.tokens == greedy(model, sequence.prompt, sequence.limit)


def test_one_prompt_with_many_seeds_is_fed_once_and_draws_as_alone(llama: Any, asked: Asked) -> None:
    prompt = random_ids(random.Random(4), 60) + [9] * 20
    choices = [TokenChoice(temperature=1.0, seed=seed) for seed in range(8)]
    pool = make_pool(llama, (), BUDGET)
    together = [asked(prompt, choice=choice) for choice in choices]
    run(pool, *together)
    assert [sequence.reused for sequence in together] == [0] + [len(prompt) - 1] * 7
    for choice, sequence in zip(choices, together, strict=True):
        alone = asked(prompt, choice=choice, cold=True)
        run(pool, alone)
        assert alone.tokens == sequence.tokens
    assert len({tuple(sequence.tokens) for sequence in together}) == 8


@pytest.fixture
def two_adapters(make_model: Any) -> Any:
    """A model with the adapters `one` and `two`."""
    from peft import LoraConfig, get_peft_model

    def settings() -> Any:
        modules = ["q_proj", "v_proj", "down_proj"]
        return LoraConfig(r=4, lora_alpha=16, target_modules=modules, init_lora_weights=False, task_type="CAUSAL_LM")

    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = get_peft_model(make_model("llama", dtype="float64"), settings(), adapter_name="one")
        model.add_adapter("two", settings())
    return model.eval()


def alone(model: Any, adapter: str | None, prompt: list[int], count: int) -> list[int]:
    if adapter is None:
        with model.disable_adapter():
            return greedy(model, prompt, count)
    model.set_adapter(adapter)
    return greedy(model, prompt, count)


def test_base_and_two_adapters_in_one_batch_and_nobody_uses_anothers_cache(two_adapters: Any, asked: Asked) -> None:
    source, pool = random.Random(6), make_pool(two_adapters, ("one", "two"), BUDGET)
    for _ in range(3):
        prompt = random_ids(source)
        batch = [asked(prompt, adapter=name) for name in (None, "one", "two", None, "two")]
        run(pool, *batch)
        for sequence in batch:
            assert sequence.tokens == alone(two_adapters, sequence.adapter, prompt, 10)
        assert len({tuple(sequence.tokens) for sequence in batch}) == 3
        again = [asked(prompt, adapter=name) for name in ("two", "one", None)]
        run(pool, *again)
        for sequence in again:
            assert sequence.reused == len(prompt) - 1
            assert sequence.tokens == alone(two_adapters, sequence.adapter, prompt, 10)


def test_other_adapters_keep_what_the_rest_has_left(two_adapters: Any, asked: Asked) -> None:
    pool, prompt = make_pool(two_adapters, ("one", "two"), BUDGET), list(range(5, 60))
    run(pool, asked(prompt, adapter="one"), asked(prompt, adapter="two"))
    two_adapters.delete_adapter("one")
    pool.model_changed(two_adapters, ("two",))
    assert len(pool.store) == 1
    again = asked(prompt, adapter="two")
    run(pool, again)
    assert again.reused == len(prompt) - 1
    assert again.tokens == alone(two_adapters, "two", prompt, 10)


def test_kept_sequences_obey_the_budget_and_rows_are_made_free(llama: Any, asked: Asked) -> None:
    source = random.Random(7)
    roomy = make_pool(llama, (), BUDGET)
    prompts = [random_ids(source, 60) + [9] * 20 for _ in range(20)]
    for prompt in prompts:
        run(roomy, asked(prompt))
    for prompt in prompts:
        again = asked(prompt)
        run(roomy, again)
        assert again.reused >= len(prompt) - 1
        assert len(roomy.store) == 20, "what is in a row is kept beside it too"
    narrow = make_pool(llama, (), roomy.store.bytes // 4)
    for prompt in prompts:
        run(narrow, asked(prompt))
        assert narrow.store.bytes <= narrow.store.budget
    assert 0 < len(narrow.store) < 20
    narrow.forget_kept()
    assert (len(narrow.store), narrow.cache_bytes) == (0, 0)


# -- preallocated rows: the captured pass, unrecorded, as on a GPU --


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """On this machine too, the captured step answers."""

    class Maker(lane_maker.LaneMaker):
        def path(self, size: int) -> Any:
            return "captured"

        def lane(self, size: int, adapter: str | None) -> Lane | None:
            return Lane(CapturedStep(self.model, size, capacity=16), size, adapter, mixes=False)

    monkeypatch.setattr("core.engine.caches.row_pool.LaneMaker", Maker)
    # A GPU's tokens are read one step behind.
    monkeypatch.setattr(CapturedStep, "chosen", lambda self: None)


@pytest.mark.usefixtures("captured")
def test_rows_grow_with_need_and_answers_move_along(exact_llama: Any, asked: Asked) -> None:
    source, pool = random.Random(8), make_pool(exact_llama, (), BUDGET)
    batch = []
    sizes = []
    for _ in range(8):
        batch.append(asked(random_ids(source), limit=40))
        start(pool, batch[-1])
        step(pool)
        sizes.append(max(lane.size for lane in pool._lanes))
        assert sum(bool(lane.live) for lane in pool._lanes) == 1, "answers are spread over steps"
    assert sizes == [1, 2, 4, 4, 8, 8, 8, 8]
    assert pool.has_row is False
    while any(sequence.reason is None for sequence in batch):
        step(pool)
    for sequence in batch:
        assert sequence.tokens == greedy(exact_llama, sequence.prompt, 40)
    alone_again = asked(batch[3].prompt)
    run(pool, alone_again)
    assert alone_again.tokens == batch[3].tokens[:10]
    assert alone_again.reused == len(batch[3].prompt) - 1 or len(batch[3].prompt) < 17


@pytest.mark.usefixtures("captured")
@pytest.mark.parametrize("one_behind", [True, False])
@pytest.mark.parametrize("moves_after", range(1, 16))
def test_given_tokens_move_along_too(
    exact_llama: Any,
    tokenizer: TextTokenizer,
    moves_after: int,
    one_behind: bool,
    asked: Asked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not one_behind:
        monkeypatch.setattr(CapturedStep, "chosen", RowStep.chosen)
    closing = tokenizer.encode("\n</think>\n")[0]
    count = len(closing)
    prompt = list(range(5, 60))

    def thinking() -> AnswerSequence:
        reader = AnswerReader(
            tokenizer, Splitter(THINK, "reasoning"), start="reasoning", budget=ThinkingBudget(3, closing)
        )
        return AnswerSequence(prompt, reader, choice=GREEDY, limit=20, stop_ids=frozenset())

    alone = thinking()
    run(make_pool(exact_llama, (), BUDGET), alone)
    place = next(at for at in range(len(alone.tokens)) if alone.tokens[at : at + count] == closing)
    assert alone.tokens[:place] == greedy(exact_llama, prompt, place)
    assert alone.tokens[place:] == closing + greedy(
        exact_llama, prompt + alone.tokens[: place + count], 20 - place - count
    )

    pool, moved = make_pool(exact_llama, (), BUDGET), thinking()
    start(pool, moved)
    for _ in range(moves_after):
        step(pool)
    other = asked(list(range(90, 120)))
    start(pool, other)
    while moved.reason is None or other.reason is None:
        step(pool)
    assert moved.tokens == alone.tokens
    assert other.tokens == greedy(exact_llama, other.prompt, 10)


@pytest.mark.usefixtures("captured")
def test_re_asked_after_edits_in_preallocated_rows(exact_llama: Any, asked: Asked) -> None:
    source, pool = random.Random(9), make_pool(exact_llama, (), BUDGET)
    for _ in range(10):
        prompt = random_ids(source)
        run(pool, asked(prompt))
        for edited in edits(source, prompt):
            sequence = asked(edited)
            run(pool, sequence)
            assert sequence.tokens == greedy(exact_llama, edited, 10)


@pytest.mark.usefixtures("captured")
def test_each_adapter_has_a_graph_of_its_own(two_adapters: Any, asked: Asked) -> None:
    pool, prompt = make_pool(two_adapters, ("one", "two"), BUDGET), list(range(5, 60))
    batch = [asked(prompt, adapter=name) for name in (None, "one", "two", None, "two")]
    run(pool, *batch)
    for sequence in batch:
        assert sequence.tokens == alone(two_adapters, sequence.adapter, prompt, 10)


def test_a_step_that_fails_ends_its_answers_and_the_pool_goes_on(llama: Any, asked: Asked) -> None:
    pool: RowPool = make_pool(llama, (), BUDGET)
    prompt = list(range(5, 60))
    sequence = asked(prompt)
    start(pool, sequence)
    pool._lanes[0].step.feed_tokens = _run_out  # type: ignore[method-assign]
    failed = pool.advance()
    assert [(it, type(error)) for it, error in failed] == [(sequence, MemoryError)]
    assert pool.live == 0
    again = asked(prompt)
    run(pool, again)
    assert again.tokens == greedy(llama, prompt, 10)


def _run_out(live: list[int]) -> None:
    raise MemoryError
