"""Answers with drafts are those without: greedy and sampled, whatever the draft says."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from core.engine.answer_reader import AnswerReader
from core.engine.caches.row_pool import make_pool
from core.engine.drafts import AnswerDrafts
from core.engine.sequence import AnswerSequence
from core.engine.steps.captured_step import CapturedStep
from core.engine.steps.plain_step import PlainStep
from core.engine.steps.step import GREEDY, TokenChoice
from core.tokens.tokenizer import TextTokenizer
from tests.core.engine.run_sequence import run
from tests.core.engine.steps.conftest import greedy

BUDGET = 64 << 20
CHOICES = [
    GREEDY,
    TokenChoice(temperature=0.7, seed=5, top_p=0.9),
    TokenChoice(repetition_penalty=1.2, no_repeat_ngram=3, frequency_penalty=0.3),
    TokenChoice(temperature=1.0, seed=9, repetition_penalty=1.1, min_tokens=30, stop_ids=(7,)),
]


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(tiny_folder)


def asked(tokenizer: TextTokenizer, prompt: list[int], draft: list[int] | None, **more: Any) -> AnswerSequence:
    return AnswerSequence(
        prompt,
        AnswerReader(tokenizer, None),
        drafts=None if draft is None else AnswerDrafts(draft, prompt),
        **({"choice": GREEDY, "limit": 24, "stop_ids": frozenset()} | more),
    )


def changed(source: random.Random, ids: list[int]) -> list[int]:
    """A draft that is right in parts."""
    ids = list(ids)
    for _ in range(source.randrange(4)):
        at = source.randrange(len(ids))
        ids[at : at + source.randrange(3)] = [source.randrange(250) for _ in range(source.randrange(3))]
    return ids


def test_a_hundred_greedy_answers_equal_those_of_generate(llama: Any, tokenizer: TextTokenizer) -> None:
    source, pool = random.Random(1), make_pool(llama, (), BUDGET)
    right = 0
    for _ in range(100):
        prompt = [source.randrange(1, 250) for _ in range(source.randrange(1, 40))]
        plain = greedy(llama, prompt, 24)
        again = asked(tokenizer, prompt, changed(source, plain))
        run(pool, again)
        assert again.tokens == plain
        right += again.drafts.right if again.drafts is not None else 0
    assert right > 1000, "most tokens came from drafts"


@pytest.mark.parametrize("choice", CHOICES)
def test_other_choices_beside_answers_without_drafts(
    exact_llama: Any, tokenizer: TextTokenizer, choice: TokenChoice
) -> None:
    source, pool = random.Random(2), make_pool(exact_llama, (), BUDGET)
    for _ in range(6):
        prompts = [[source.randrange(1, 250) for _ in range(source.randrange(1, 40))] for _ in range(3)]
        plain = [asked(tokenizer, prompt, None, choice=choice) for prompt in prompts]
        run(pool, *plain)
        drafts = [changed(source, plain[0].tokens), None, [1, 2, 3] * 8]
        again = [asked(tokenizer, *pair, choice=choice) for pair in zip(prompts, drafts, strict=True)]
        run(pool, *again)
        assert [one.tokens for one in again] == [one.tokens for one in plain]


def test_an_end_inside_a_draft_cuts_the_row(exact_llama: Any, tokenizer: TextTokenizer) -> None:
    pool, prompt = make_pool(exact_llama, (), BUDGET), list(range(5, 40))
    plain = greedy(exact_llama, prompt, 24)
    stop = plain[9]
    ends = plain.index(stop)
    again = asked(tokenizer, prompt, plain, stop_ids=frozenset({stop}))
    run(pool, again)
    assert (again.tokens, again.reason) == (plain[: ends + 1], "end")
    more = asked(tokenizer, [*again.ids, 3, 4], None)
    run(pool, more)
    assert more.reused >= len(again.ids) - 1
    assert more.tokens == greedy(exact_llama, more.prompt, 24)
    short = asked(tokenizer, prompt, plain, limit=5)
    run(pool, short)
    assert short.tokens == plain[:5]


def test_paths_that_round_otherwise_say_so(llama: Any, make_model: Any, sliding: Any) -> None:
    assert PlainStep(llama).drafts_exactly
    others = [PlainStep(make_model("llama", dtype="bfloat16")), PlainStep(sliding), CapturedStep(llama)]
    assert not any(step.drafts_exactly for step in others)
