"""Several generations for one question, with columns that mark them as correct or complete: which one to take. Knows
the names of such columns, no files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.data.cell_text import TOLERANT_JSON, cell_text
from core.data.columns.column_names import normalized_name
from core.data.columns.thinking import split_thinking
from core.data.columns.turns import UnreadableTurns

_CORRECT = ("correctnessmathverify", "correctnessllama", "correctness", "correct", "iscorrect", "verified")
_COMPLETE = ("isreasoningcomplete", "iscomplete", "complete", "finishreasons", "finishreason")
_ENDED = frozenset(("stop", "eos", "end_turn", "true"))


def mark_columns(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns among `names` that mark generations as correct, and those that mark them as complete, each in order
    of trust."""
    named = {normalized_name(name): name for name in reversed(names)}
    return [named[mark] for mark in _CORRECT if mark in named], [named[mark] for mark in _COMPLETE if mark in named]


def as_list(value: Any) -> list[Any] | None:
    """A list, or the JSON text of one; None for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = TOLERANT_JSON.decode(value.strip())
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, list) else None


def best_generation(generations: Any, correct: Sequence[Any], complete: Sequence[Any]) -> str | None:
    """The first generation that any value of `correct` marks as correct and every value of `complete` as complete;
    missing marks do not count.

    Without marks of completeness, one whose reasoning is closed comes first. None where there is no generation. Raises
    Unreadable where all are marked as wrong or truncated: a model must not be trained on what is known to be wrong.
    """
    texts = as_list(generations)
    if texts is None:
        return None if generations is None else cell_text(generations)
    right = [marks for value in correct if (marks := _marks(value, len(texts))) is not None]
    whole = [marks for value in complete if (marks := _marks(value, len(texts))) is not None]
    good = [
        index
        for index, text in enumerate(texts)
        if text is not None
        and (not right or any(marks[index] for marks in right))
        and all(marks[index] for marks in whole)
    ]
    if not good:
        if all(text is None for text in texts):
            return None
        if len(texts) == 1:
            raise UnreadableTurns("its generation is marked as wrong or truncated")
        raise UnreadableTurns(f"none of its {len(texts)} generations is marked as correct and complete")
    closed = (
        index
        for index in good
        if (sides := split_thinking(cell_text(texts[index]))) is None or sides.answer is not None
    )
    return cell_text(texts[good[0] if whole else next(closed, good[0])])


def _marks(value: Any, count: int) -> list[bool] | None:
    """The marks of the generations, or None where there are none; a single value marks a single generation."""
    marks = as_list(value)
    if marks is None and count == 1 and value is not None:
        marks = [value]
    if marks is None or len(marks) != count or all(mark is None for mark in marks):
        return None
    return [mark is True or (isinstance(mark, str) and mark.strip().lower() in _ENDED) for mark in marks]
