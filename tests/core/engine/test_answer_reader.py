"""The reader of an answer: sections, stop strings, loops and the budget together; one token is one byte here."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.engine.answer_reader import AnswerReader
from core.engine.protocol import AnswerPiece
from core.engine.stop_strings import StopStrings
from core.engine.thinking_budget import ThinkingBudget
from core.splitter.splitter import THINK, Splitter, StartSection
from core.tokens.tokenizer import TextTokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(tiny_folder)


def sections(pieces: list[AnswerPiece]) -> tuple[str, str]:
    texts = {"reasoning": "", "response": ""}
    for piece in pieces:
        texts[piece.section] += piece.text
    return texts["reasoning"], texts["response"]


def read(
    tokenizer: TextTokenizer, script: str, start: StartSection = "reasoning", **options: Any
) -> tuple[tuple[str, str], AnswerReader]:
    """The sections of an answer of which `script` is what the model would write by itself."""
    reader = AnswerReader(tokenizer, Splitter(THINK, start), start=start, **options)
    reader.begin()
    ids, pieces, forced = iter(tokenizer.encode(script)[0]), [], deque(reader.take_forced())
    while reader.ended is None:
        token = forced.popleft() if forced else next(ids, None)
        if token is None:
            break
        pieces += reader.push([token])
        forced += reader.take_forced()
    return sections([*pieces, *reader.close()]), reader


def closing(tokenizer: TextTokenizer, budget: int) -> ThinkingBudget:
    return ThinkingBudget(budget, tokenizer.encode("\n</think>\n\n")[0])


def test_plain_answers_come_in_sections(tokenizer: TextTokenizer) -> None:
    texts, reader = read(tokenizer, "hm\n</think>\n\n立山")
    assert texts == ("hm", "立山")
    assert (reader.ended, reader.ending, reader.reads_every_token) == (None, "complete", False)


def test_a_stop_string_ends_it_also_across_characters_and_sections(tokenizer: TextTokenizer) -> None:
    texts, reader = read(tokenizer, "hm\n</think>\n\n3015 m。次の山", stops=StopStrings(["。次", "zzz"]))
    assert texts == ("hm", "3015 m")
    assert (reader.ended, reader.stop_string) == ("stop_string", "。次")
    assert read(tokenizer, "hm, stop", stops=StopStrings(["st"]))[0] == ("hm, ", "")
    assert read(tokenizer, "hm, s", stops=StopStrings(["st"]))[0] == ("hm, s", "")


def test_no_stop_string_ends_it_too_early(tokenizer: TextTokenizer) -> None:
    texts, reader = read(tokenizer, "xaxbxc", "response", stops=StopStrings(["x"]), least_tokens=5)
    assert (texts[1], reader.tokens) == ("xaxb", 5)


def test_the_budget_closes_the_reasoning_behind_a_whole_character(tokenizer: TextTokenizer) -> None:
    texts, reader = read(tokenizer, "立山は高い。", budget=closing(tokenizer, 4))
    assert texts == ("立山", "は高い。")
    assert reader.has_closed_reasoning
    assert reader.reads_every_token
    assert read(tokenizer, "yes", budget=closing(tokenizer, 0))[0] == ("", "yes")


def test_a_loop_is_told_and_ends_it_where_that_is_wanted(tokenizer: TextTokenizer) -> None:
    script = "well. " + "パラ" * 200
    _, warned = read(tokenizer, script)
    assert warned.loop is not None
    assert (warned.loop.period, warned.ended) == (6, None)
    _, stopped = read(tokenizer, script, stops_in_loop=True)
    assert stopped.ended == "loop"
    assert stopped.tokens < 220 < warned.tokens


@given(st.text("ab\n</think>。x", max_size=60), st.lists(st.integers(1, 9), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batches_give_the_text_of_single_tokens(tokenizer: TextTokenizer, script: str, sizes: list[int]) -> None:
    ids = tokenizer.encode(script)[0]
    texts = []
    for steps in ([1] * len(ids), [*sizes, len(ids)]):
        reader = AnswerReader(tokenizer, Splitter(THINK, "undecided"), stops=StopStrings(["x。", "ba"]))
        pieces, rest = [], ids
        for size in steps:
            pieces += reader.push(rest[:size])
            rest = rest[size:]
        texts.append((sections([*pieces, *reader.close()]), reader.ended, reader.tokens))
    assert texts[0] == texts[1]


def test_without_a_splitter_all_is_response(tokenizer: TextTokenizer) -> None:
    reader = AnswerReader(tokenizer, None, budget=closing(tokenizer, 0))
    assert sections(reader.push(tokenizer.encode("<think>a</think>")[0])) == ("", "<think>a</think>")
    assert (reader.take_forced(), reader.ending) == ([], "complete")
