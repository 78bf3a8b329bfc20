"""Marks in a source that say that a row must not be learnt: `label: false` beside a completion, `weight: 0` of a reply,
`is_correct: false`. Judges values; knows no files."""

from __future__ import annotations

from collections.abc import Mapping as Record
from typing import Any, Literal

import msgspec

from core.data.cell_text import NumberText, cell_text

MarkKind = Literal["false", "true", "reply"]
"""Which rows are left out.

false: those whose mark is false, 0 or `no`; true: those whose mark is true, 1 or `yes`; reply: those whose reply, in a
list of chat turns, has a weight of 0, or is not to be trained.
"""
LEARN_KEYS = ("weight", "loss_weight", "train", "training", "trainable", "train_on_turn", "loss")
"""Keys of a chat turn that say whether it is learnt."""
_TRUE = frozenset(("true", "yes", "1", "1.0", "correct", "right", "accepted", "approved"))
_FALSE = frozenset(("false", "no", "0", "0.0", "incorrect", "wrong", "rejected", "discarded", "deleted"))


class RowMark(msgspec.Struct, frozen=True):
    """A column that marks rows as not to be learnt."""

    column: str
    """The source's column, or a path into one; foreign text."""
    kind: MarkKind = "false"
    """Which rows are left out."""


def truth_of(value: Any) -> bool | None:
    """What a mark says; None where it says nothing, or is no mark."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else None
    if isinstance(value, int | float | NumberText):
        return True if value == 1 else False if value == 0 else None
    return None


def holds_false(value: Any) -> bool:
    """Whether a value is a list of true and false, a mark for each step, of which one is false."""
    return isinstance(value, list) and all(isinstance(item, bool) for item in value) and False in value


def mark_reason(mark: RowMark, value: Any) -> str:
    """Why the row whose `mark` has this value is left out, such as `label is false`; empty where it is not."""
    if mark.kind == "false" and holds_false(value):
        return f"{mark.column} has a step that is false"
    truth = truth_of(value)
    if truth is None or truth != (mark.kind == "true"):
        return ""
    return f"{mark.column} is {cell_text(value)}"


def reply_reason(turn: Record[str, Any]) -> str:
    """Why the reply `turn` is not learnt, such as `weight is 0`; empty where it is."""
    for key in LEARN_KEYS:
        if truth_of(turn.get(key)) is False:
            return f"{key} of the reply is {cell_text(turn[key])}"
    return ""


def mark_words(mark: RowMark) -> str:
    """The mark and the rows that it leaves out, such as `label (false is left out)`; may quote foreign text."""
    if mark.kind == "reply":
        return f"{mark.column}:reply (a reply whose {', '.join(LEARN_KEYS[:-1])} or {LEARN_KEYS[-1]} is 0 or false)"
    return f"{mark.column}{':true' if mark.kind == 'true' else ''} ({mark.kind} is left out)"
