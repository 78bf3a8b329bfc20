"""Answers a request in this thread, as the engine's thread does, with text after every token."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.engine.answer import chat_sequences, completion_sequences
from core.engine.caches.row_pool import RowPool, make_pool
from core.engine.openai_api import ChatRequest, CompletionRequest
from core.engine.sequence import AnswerPart, AnswerSequence
from core.models.loading import LoadedModel

BUDGET = 1 << 30


def answer_events(
    loaded: LoadedModel,
    asked: ChatRequest | CompletionRequest,
    stopped: Callable[[], bool] = lambda: False,
    *,
    tuned: bool = True,
    label: str | None = None,
) -> Iterator[AnswerPart]:
    """The events of an answer. tuned: whether the adapter `label` of the model answers."""
    if isinstance(asked, ChatRequest):
        sequence = chat_sequences(loaded, asked, tuned)[0]
    else:
        sequence = completion_sequences(loaded, asked)[0]
    sequence.adapter = label if tuned else None
    return _events(make_pool(loaded.model, () if label is None else (label,), BUDGET), sequence, stopped)


def _events(pool: RowPool, sequence: AnswerSequence, stopped: Callable[[], bool]) -> Iterator[AnswerPart]:
    start(pool, sequence)
    yield from sequence.new_text()
    while sequence.reason is None and not stopped():
        step(pool)
        yield from sequence.new_text()
    sequence.end("stopped")
    pool.leave(sequence)
    yield from sequence.finish()


def start(pool: RowPool, sequence: AnswerSequence, chunk: int = 256) -> None:
    """Place a sequence and feed its prompt."""
    sequence.begin()
    pool.place(sequence)
    while not pool.feed(sequence, chunk):
        pass


def step(pool: RowPool) -> None:
    """One token for each live sequence. Raises the first error."""
    for _, error in pool.advance():
        raise error


def run(pool: RowPool, *sequences: AnswerSequence) -> None:
    """Answer all of them beside each other, to their ends."""
    for sequence in sequences:
        start(pool, sequence)
    while any(sequence.reason is None for sequence in sequences):
        step(pool)
