"""One answer's state: when it ends, what it counts, when its text is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.engine.answer_reader import AnswerReader
from core.engine.protocol import AnswerFinish, AnswerPiece
from core.engine.sequence import FLUSH_SECONDS, FLUSH_TOKENS, AnswerSequence
from core.engine.steps.step import GREEDY
from core.splitter.splitter import ALPACA, Splitter
from core.tokens.tokenizer import TextTokenizer

END = 256


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(tiny_folder)


def sequence(tokenizer: TextTokenizer, limit: int = 100, splitter: Splitter | None = None) -> AnswerSequence:
    made = AnswerSequence(
        [1, 2], AnswerReader(tokenizer, splitter), choice=GREEDY, limit=limit, stop_ids=frozenset({END})
    )
    made.begin()
    return made


def finish_of(made: AnswerSequence) -> AnswerFinish:
    finish = made.finish()[-1]
    assert isinstance(finish, AnswerFinish)
    return finish


def test_the_end_of_sequence_ends_it_and_is_not_counted(tokenizer: TextTokenizer) -> None:
    made = sequence(tokenizer)
    made.prompt_fed()
    assert made.take(7)
    assert not made.take(END)
    assert made.ids == [1, 2, 7, END]
    finish = finish_of(made)
    assert (finish.reason, finish.tokens, finish.prompt_tokens) == ("end", 1, 2)
    assert 0 < finish.prefill_seconds <= finish.first_token_seconds <= finish.total_seconds


def test_the_limit_ends_it_with_its_last_token(tokenizer: TextTokenizer) -> None:
    made = sequence(tokenizer, limit=2)
    assert [made.take(7), made.take(8)] == [True, False]
    assert finish_of(made).reason == "length"


def test_without_an_answer_to_make_it_ends_when_its_prompt_is_fed(tokenizer: TextTokenizer) -> None:
    made = sequence(tokenizer, limit=0)
    made.prompt_fed()
    finish = finish_of(made)
    assert (finish.reason, finish.tokens, finish.tokens_per_second) == ("length", 0, 0.0)


def test_the_first_reason_stands_but_for_a_text_that_ran_away(tokenizer: TextTokenizer) -> None:
    made = sequence(tokenizer)
    made.end("stopped")
    made.end("end")
    assert finish_of(made).reason == "stopped"
    away = sequence(tokenizer, splitter=Splitter(ALPACA, "response"))
    for token in tokenizer.encode("a\n\n### Instruction:\nb")[0]:
        away.take(token)
    away.end("stopped")
    assert finish_of(away).reason == "runaway"


def test_text_is_made_of_several_tokens_where_they_come_fast(tokenizer: TextTokenizer) -> None:
    made = sequence(tokenizer)
    made.take(tokenizer.encode("a")[0][0])
    assert made.text_is_due(1e9)
    assert [piece.text for piece in made.new_text()] == ["a"]
    now = made._flushed
    assert not made.text_is_due(now + FLUSH_SECONDS), "there is nothing to make"
    for letter in "bcdefghi"[:FLUSH_TOKENS]:
        assert not made.text_is_due(now)
        made.take(tokenizer.encode(letter)[0][0])
    assert made.text_is_due(now)
    assert made.new_text() == [AnswerPiece("response", "bcdefghi")]
