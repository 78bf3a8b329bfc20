"""Compares exported models with their run: the same questions, the same ids, how far apart the probabilities are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from core.export.asked_model import NextTokens, distances, greedy_answers, largest_activation, next_tokens
from core.export.export_result import Agreement
from core.export.held_out_questions import Question

ANSWER_TOKENS = 64
"""The most tokens of an answer that are compared."""


class RunAnswers(msgspec.Struct, frozen=True):
    """What the run answers, and how sure it is of each token."""

    questions: tuple[Question, ...]
    """What was asked."""
    answers: list[list[int]]
    """The ids of each answer."""
    expected: list[NextTokens]
    """The probabilities at each place of each answer."""
    stops: frozenset[int]
    """Ids that end an answer."""
    largest: float = 0.0
    """The largest size of a number that one of the model's layers took or gave."""


def answers_of_run(
    model: Any, questions: Sequence[Question], stops: frozenset[int], on_answers: Callable[[int], None]
) -> RunAnswers:
    """Ask the run's own model. on_answers: gets how many questions are done, often; it may
    raise."""
    prompts = [question.ids for question in questions]
    answers = greedy_answers(model, prompts, stops, ANSWER_TOKENS, on_answers)
    expected = []
    with largest_activation(model) as largest:
        for prompt, answer in zip(prompts, answers, strict=True):
            on_answers(len(prompts))
            expected.append(next_tokens(model, prompt, answer))
    return RunAnswers(tuple(questions), answers, expected, stops, largest())


def agreement_of_model(model: Any, run: RunAnswers, on_answers: Callable[[int], None]) -> Agreement:
    """How another model of the same tokenizer answers the run's questions."""
    prompts = [question.ids for question in run.questions]
    answers = greedy_answers(model, prompts, run.stops, ANSWER_TOKENS, on_answers)
    apart: list[float] = []
    for prompt, answer, expected in zip(prompts, run.answers, run.expected, strict=True):
        on_answers(len(prompts))
        apart += distances(model, prompt, answer, expected)
    agreement = agreement_of_answers(answers, run)
    if not apart:
        return agreement
    return msgspec.structs.replace(agreement, mean_kl=sum(apart) / len(apart), largest_kl=max(apart))


def agreement_of_answers(
    answers: Sequence[Sequence[int]], run: RunAnswers, *, without_stops: bool = False
) -> Agreement:
    """How answers that another program gave agree with the run's. without_stops: those answers do not say their
    stop."""
    mine = [[token for token in answer if not (without_stops and token in run.stops)] for answer in run.answers]
    pairs = list(zip(run.questions, mine, answers, strict=True))
    different = [question.row for question, own, theirs in pairs if own != list(theirs)]
    return Agreement(
        asked=len(pairs),
        equal=len(pairs) - len(different),
        first_difference=different[0] if different else None,
        tokens=sum(len(answer) for answer in run.answers),
    )
