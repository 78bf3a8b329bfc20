"""Finds the text inside lists and objects: API answers, lists of steps, several answers with scores.

Knows the usual names of an object's fields, no columns and no files. What holds no text is refused by name: its JSON
would teach brackets and quotes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.data.cell_text import NumberText, cell_text
from core.data.columns.column_names import normalized_name
from core.data.columns.generations import as_list
from core.data.columns.nested_text import read_nested
from core.data.columns.thinking import split_thinking
from core.data.columns.turn_shapes import UnreadableTurns

_TEXTS = (
    "text", "content", "response", "answer", "output", "completion", "generated_text", "generation", "output_text",
    "message", "solution", "reply", "value", "step", "thought", "reasoning", "thinking",
)  # fmt: skip
_KINDS = ("type", "role")  # say what an object is: no text of it
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thought", "think", "reasoning_text")
_NESTED = ("choices", "candidates")  # lists in the answers of APIs
_CORRECT = frozenset(("correct", "iscorrect", "correctness", "verified", "isverified"))
_SCORES = ("score", "reward", "rewardscore", "rating", "quality", "overallscore", "preferencescore")
IN_OBJECT = "the text inside an object"
_DEEPEST = 6  # objects within each other
_NAMES_SHOWN = 5


class InnerText(NamedTuple):
    """The text inside a value."""

    text: str
    """The text without its reasoning."""
    reasoning: str = ""
    """The reasoning of the text; empty where there is none."""
    closed: bool = True
    """Whether the reasoning ends, so that there is a text after it."""


def as_nested(value: Any) -> Any:
    """A list or an object, or the one whose JSON text `value` is; any other value unchanged."""
    nested = read_nested(value) if isinstance(value, str) else None
    return value if nested is None else nested


def inner_text(value: Any) -> InnerText:
    """The text inside an object, or inside the best object of a list: of those not marked as wrong the one with the
    highest score, else the first. Raises UnreadableTurns where there is none."""
    found = found_text(value)
    sides = split_thinking(found.text)
    if sides is None:
        return found
    reasoning = found.reasoning or sides.reasoning
    return InnerText(sides.answer or "", reasoning, sides.answer is not None)


def found_text(value: Any) -> InnerText:
    """As `inner_text`, with the reasoning between the markers of the text still in it."""
    found = _find(as_nested(value), 0)
    if found is None:
        raise UnreadableTurns(f"it is {describe(value)}, in which no text can be found")
    return found


def joined_text(value: Any) -> str | None:
    """The texts of a list, each on its own line, with blank lines between where any has several lines; None where there
    are none. Raises UnreadableTurns for an item that is not a text and holds none."""
    items = as_list(value)
    if items is None:
        return None if value is None else plain_text(value)
    texts: list[str] = []
    for number, item in enumerate(items, 1):
        if item is None:
            continue
        if isinstance(item, dict):
            found = _find(item, 1)
            if found is None:
                raise UnreadableTurns(f"item {number} of it is {describe(item)}, in which no text can be found")
            texts.append("\n\n".join(filter(None, (found.reasoning, found.text))))
        elif isinstance(item, list):
            raise UnreadableTurns(f"item {number} of it is {describe(item)}, which cannot be joined")
        else:
            texts.append(cell_text(item))
    if not texts:
        return None
    return ("\n\n" if any("\n" in text.strip() for text in texts) else "\n").join(texts)


def first_text(value: Any) -> str | None:
    """The first item of a list that is not null; a value that is no list as it is. Raises UnreadableTurns where the
    item holds no text."""
    items = as_list(value)
    if items is None:
        return None if value is None else plain_text(value)
    item = next((item for item in items if item is not None), None)
    if item is None:
        return None
    return inner_text(item).text if isinstance(item, dict) else plain_text(item)


def plain_text(value: Any) -> str:
    """The text of a value that is no list and no object. Raises UnreadableTurns for these."""
    if isinstance(value, list | dict):
        raise UnreadableTurns(f"it is {describe(value)}, not a text")
    return cell_text(value)


def describe(value: Any) -> str:
    """What a value is, such as `an object (name, age)` or `a list of 2`."""
    value = as_nested(value)
    if isinstance(value, dict):
        names = ", ".join(str(name)[:40] for name in list(value)[:_NAMES_SHOWN])
        return f"an object ({names}{', …' if len(value) > _NAMES_SHOWN else ''})" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    return "a single value"


def describe_inner(values: Sequence[Any]) -> str:
    """Where the texts inside `values` are taken from, for the reason of a pick; empty where most hold no text."""
    nested = [as_nested(value) for value in values]
    found = [value for value in nested if _holds_objects(value) and _holds_text(value)]
    if len(found) * 10 < 8 * len(nested):
        return ""
    lists = [value for value in found if isinstance(value, list)]
    if not lists:
        return IN_OBJECT
    if all(len(items) <= 1 for items in lists):
        return "the text inside a list of one"
    marked = any(_score(item) is not None or _mark(item) is not None for items in lists for item in items)
    return f"the text inside the {'best marked' if marked else 'first'} object of a list"


def _holds_objects(value: Any) -> bool:
    if isinstance(value, dict):
        return True
    items = [item for item in value if item is not None] if isinstance(value, list) else []
    return bool(items) and all(isinstance(item, dict) for item in items)


def is_wrapped(value: Any) -> bool:
    """Whether a value is an object in which the answer of an API or of a data set is wrapped, or its JSON text. Other
    objects that are written as text may be the answer themselves."""
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        return False
    value = as_nested(value)
    return isinstance(value, dict) and any(isinstance(value.get(name), list) for name in (*_NESTED, "text"))


def _holds_text(value: Any) -> bool:
    try:
        return _find(value, 0) is not None
    except UnreadableTurns:
        return True


def _find(value: Any, depth: int) -> InnerText | None:
    if depth > _DEEPEST or value is None or isinstance(value, bool):
        return None
    if isinstance(value, str | int | float) and depth:
        return InnerText(cell_text(value))
    if isinstance(value, list):
        return _find_in_list(value, depth)
    return _find_in_object(value, depth) if isinstance(value, dict) else None


def _find_in_object(value: Mapping[str, Any], depth: int) -> InnerText | None:
    for name in _NESTED:
        if isinstance(value.get(name), list) and (found := _find(value[name], depth + 1)) is not None:
            return found
    if isinstance(parts := value.get("parts"), list) and parts and all(isinstance(part, dict) for part in parts):
        return InnerText("".join(cell_text(part.get("text")) for part in parts))
    thoughts = [name for name in _THOUGHTS if isinstance(value.get(name), str) and value[name]]
    for name in _TEXTS:
        if value.get(name) is None or (name in thoughts and len(thoughts) == 1 and _other_text(value, name)):
            continue
        found = _find(value[name], depth + 1)
        if found is not None:
            own = next((cell_text(value[thought]) for thought in thoughts if thought != name), "")
            return InnerText(found.text, found.reasoning or own)
    if len(value) == 1:
        name, only = next(iter(value.items()))
        if name in _KINDS:
            return None
        return InnerText(cell_text(only)) if isinstance(only, str) and not isinstance(only, NumberText) else None
    return None


def _other_text(value: Mapping[str, Any], name: str) -> bool:
    """Whether an object has a text besides its reasoning `name`."""
    return any(other != name and value.get(other) is not None for other in _TEXTS)


def _find_in_list(items: Sequence[Any], depth: int) -> InnerText | None:
    if items and all(isinstance(item, dict) and isinstance(item.get("type"), str) for item in items):
        return _find_in_parts(items, depth)
    present = [item for item in items if item is not None and not isinstance(item, list)]
    good = [item for item in present if _mark(item) is not False]
    if present and not good:
        raise UnreadableTurns(f"none of its {len(present)} answers is marked as correct")
    scores = [_score(item) for item in good]
    if any(score is not None for score in scores):
        order = sorted(
            range(len(good)), key=lambda at: -(score if (score := scores[at]) is not None else float("-inf"))
        )
        good = [good[at] for at in order]
    return next((found for item in good if (found := _find(item, depth + 1)) is not None), None)


def _find_in_parts(parts: Sequence[Mapping[str, Any]], depth: int) -> InnerText | None:
    """The text and reasoning of a list of parts, each with its type."""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        if part["type"] in ("thinking", "reasoning"):
            thoughts += [cell_text(part[name]) for name in (*_THOUGHTS, "text") if isinstance(part.get(name), str)][:1]
        elif (found := _find_in_object(part, depth + 1)) is not None:
            texts.append(found.text)
    return InnerText("".join(texts), "\n\n".join(thoughts)) if texts else None


def _mark(item: Any) -> bool | None:
    """Whether an object is marked as correct; None where it has no mark."""
    if isinstance(item, dict):
        for name, value in item.items():
            if isinstance(value, bool) and normalized_name(name) in _CORRECT:
                return value
    return None


def _score(item: Any) -> float | None:
    """The score that an object has; None where it has none."""
    if isinstance(item, dict):
        by_name = {normalized_name(name): value for name, value in item.items()}
        for name in _SCORES:
            value = by_name.get(name)
            if isinstance(value, int | float | NumberText) and not isinstance(value, bool):
                return float(value)
    return None
