"""Chooses among several generations for one question, by columns that mark them as correct or complete.

Knows the names of such columns, no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.data.cell_text import cell_text
from core.data.columns.column_names import normalized_name
from core.data.columns.nested_text import read_nested
from core.data.columns.thinking import split_thinking
from core.data.columns.turn_shapes import UnreadableTurns

_CORRECT = ("correctnessmathverify", "correctnessllama", "correctness", "correct", "iscorrect", "verified")
_COMPLETE = ("isreasoningcomplete", "iscomplete", "complete", "finishreasons", "finishreason")
_ENDED = frozenset(("stop", "eos", "end_turn", "true"))


def mark_columns(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns among `names` that mark generations as correct, and those that mark them as complete, each in order
    of trust."""
    by_normalized = {normalized_name(name): name for name in reversed(names)}
    correct = [by_normalized[mark] for mark in _CORRECT if mark in by_normalized]
    complete = [by_normalized[mark] for mark in _COMPLETE if mark in by_normalized]
    return correct, complete


def as_list(value: Any) -> list[Any] | None:
    """A list, or the one that a text holds; None for anything else."""
    if isinstance(value, str):
        value = read_nested(value) if value.lstrip().startswith("[") else None
    return value if isinstance(value, list) else None


def best_generation(generations: Any, correct: Sequence[Any], complete: Sequence[Any]) -> str | None:
    """The first generation that any value of `correct` marks as correct and every value of `complete` as complete;
    missing marks are ignored.

    Without marks of completeness, a generation whose reasoning is closed is preferred. None where there is no
    generation. Raises UnreadableTurns where all are marked as wrong or truncated: a model must not be trained on text
    that is known to be wrong.
    """
    texts = as_list(generations)
    if texts is None:
        return None if generations is None else cell_text(generations)
    correct_marks = [marks for value in correct if (marks := _marks(value, len(texts))) is not None]
    complete_marks = [marks for value in complete if (marks := _marks(value, len(texts))) is not None]
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
    return [mark is True or (isinstance(mark, str) and mark.strip().lower() in _ENDED) for mark in marks]
