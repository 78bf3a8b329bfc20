"""Chooses among several generations for one question, by columns that mark them as correct or complete, or score them.

Knows the names of such columns, no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.data.cell_text import cell_text
from core.data.columns.column_names import normalized_name
from core.data.columns.marks import truth_of
from core.data.columns.nested_text import read_nested
from core.data.columns.thinking import split_thinking
from core.data.columns.turn_shapes import UnreadableTurns

_CORRECT = ("correctnessmathverify", "correctnessllama", "correctness", "correct", "iscorrect", "verified")
_COMPLETE = ("isreasoningcomplete", "iscomplete", "complete", "finishreasons", "finishreason")
_SCORES = ("rewards", "scores", "rewardscores", "generationscores")
_ENDED = frozenset(("stop", "eos", "end_turn", "true"))


def mark_columns(names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """The columns among `names` that mark generations as correct, those that mark them as complete, and those that
    score them, each in order of trust."""
    by_normalized = {normalized_name(name): name for name in reversed(names)}
    correct = [by_normalized[mark] for mark in _CORRECT if mark in by_normalized]
    complete = [by_normalized[mark] for mark in _COMPLETE if mark in by_normalized]
    return correct, complete, [by_normalized[score] for score in _SCORES if score in by_normalized]


def as_list(value: Any) -> list[Any] | None:
    """A list, or the one that a text holds; None for anything else."""
    if isinstance(value, str):
        value = read_nested(value) if value.lstrip().startswith("[") else None
    return value if isinstance(value, list) else None


def best_generation(
    generations: Any, correct: Sequence[Any], complete: Sequence[Any], scores: Sequence[Any] = ()
) -> str | None:
    """The first generation that any value of `correct` marks as correct and every value of `complete` as complete, or
    of these the one with the highest of the first `scores`; missing marks are ignored. Scores that are only 0 and 1 are
    marks.

    Without marks of completeness, a generation whose reasoning is closed is preferred. None where there is no
    generation. Raises UnreadableTurns where all are marked as wrong or truncated: a model must not be trained on text
    that is known to be wrong.
    """
    texts = as_list(generations)
    if texts is None:
        return None if generations is None else cell_text(generations)
    correct_marks = [marks for value in correct if (marks := _marks(value, len(texts))) is not None]
    complete_marks = [marks for value in complete if (marks := _marks(value, len(texts))) is not None]
    numbers = next((read for value in scores if (read := _numbers(value, len(texts))) is not None), [0.0] * len(texts))
    if set(numbers) <= {0.0, 1.0} and any(_numbers(value, len(texts)) is not None for value in scores):
        correct_marks.append([number == 1.0 for number in numbers])
    good = [
        index
        for index, text in enumerate(texts)
        if text is not None
        and (not correct_marks or any(marks[index] for marks in correct_marks))
        and all(marks[index] for marks in complete_marks)
    ]
    if not good:
        if all(text is None for text in texts):
            return None
        if len(texts) == 1:
            raise UnreadableTurns("its generation is marked as wrong or truncated")
        raise UnreadableTurns(f"none of its {len(texts)} generations is marked as correct and complete")
    good.sort(key=lambda index: -numbers[index])
    if complete_marks:
        return cell_text(texts[good[0]])
    for index in good:
        sides = split_thinking(cell_text(texts[index]))
        if sides is None or sides.answer is not None:
            return cell_text(texts[index])
    return cell_text(texts[good[0]])


def _marks(value: Any, count: int) -> list[bool] | None:
    """The marks of the generations, or None where there are none; a single value marks a single generation."""
    marks = as_list(value)
    if marks is None and count == 1 and value is not None:
        marks = [value]
    if marks is None or len(marks) != count or all(mark is None for mark in marks):
        return None
    return [truth_of(mark) is True or (isinstance(mark, str) and mark.strip().lower() in _ENDED) for mark in marks]


def _numbers(value: Any, count: int) -> list[float] | None:
    """The scores of the generations, or None where there are none; a generation without one has the lowest."""
    numbers = as_list(value)
    if numbers is None or len(numbers) != count or all(number is None for number in numbers):
        return None
    try:
        return [float("-inf") if number is None else float(number) for number in numbers]
    except (TypeError, ValueError):
        return None
