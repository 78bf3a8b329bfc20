"""What a mapping takes of texts, lists and objects, record by record. Knows no chat turns.

A view takes the values of a reader's source columns and returns the texts that picks choose among.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from core.data.cell_text import cell_text
from core.data.columns.generations import best_generation
from core.data.columns.headings import HEADING_SPLITS
from core.data.columns.inner_text import (
    InnerText,
    as_nested,
    first_text,
    found_text,
    inner_text,
    joined_text,
    plain_text,
)
from core.data.columns.other_values import items_part, other_items, other_leaves, values_part
from core.data.columns.reasoning_beside import CutText
from core.data.columns.row_views import UNCLOSED, View
from core.data.columns.thinking import ThinkingSplit, split_thinking
from core.data.columns.transcripts import SYSTEM_PREFIX
from core.data.columns.turn_shapes import UnreadableTurns


def cut_text(value: Any, split: Callable[[str], ThinkingSplit | None] = split_thinking) -> CutText:
    """A text taken apart by `split`; a text that it cannot take apart has no reasoning. Raises UnreadableTurns."""
    if value is None:
        return CutText(None, None)
    text = plain_text(value)
    sides = split(text)
    if sides is None:
        return CutText("", text)
    return CutText(sides.reasoning, sides.answer if sides.answer is not None else UNCLOSED, sides.marker)


def _text(value: Any) -> tuple[str | None]:
    return (None if value is None else plain_text(value),)


def _json(value: Any) -> tuple[str | None]:
    return (None if value is None else cell_text(value),)


def _unmarked(value: Any) -> CutText:
    """The reasoning of a text between its markers, or all of a text without markers."""
    text = joined_text(value)
    sides = split_thinking(text) if text is not None else None
    return CutText(text, "") if sides is None else CutText(sides.reasoning, sides.answer, sides.marker)


def _inner(value: Any) -> tuple[str | None, str]:
    if value is None:
        return None, ""
    found = inner_text(value) if isinstance(as_nested(value), list | dict) else InnerText(plain_text(value))
    return found.text if found.closed else UNCLOSED, found.reasoning


def _unprefixed(value: Any) -> tuple[str | None]:
    return (None if value is None else SYSTEM_PREFIX.sub("", plain_text(value)),)


VALUE_VIEWS: dict[str, Callable[[Any], Sequence[str | None]]] = {
    "text": _text,
    "json": _json,
    "cut": cut_text,
    "unmarked": _unmarked,
    "unprefixed": _unprefixed,
    "first": lambda value: (first_text(value),),
    "joined": lambda value: (joined_text(value),),
    "inner": _inner,
    **{kind: partial(cut_text, split=split) for kind, split in HEADING_SPLITS.items()},
}
"""What each kind of view makes of one value."""


def _unused_items(name: str, value: Any, taken: Sequence[str | None]) -> str:
    return items_part(name) if other_items(value, taken[0]) else ""


def _unused_values(name: str, value: Any, taken: Sequence[str | None]) -> str:
    return values_part(name) if other_leaves(value, [text for text in taken if isinstance(text, str)]) else ""


def _unused_inner(name: str, value: Any, taken: Sequence[str | None]) -> str:
    found = found_text(nested) if isinstance(nested := as_nested(value), list | dict) else None
    return _unused_values(name, nested, (found.text, found.reasoning)) if found is not None else ""


def _unused_half(half: int) -> Callable[[str, Any, Sequence[str | None]], str]:
    """The same where no column takes the text (half 0) or the reasoning (half 1)."""

    def unused(name: str, value: Any, taken: Sequence[str | None]) -> str:
        return values_part(name) if taken[half] else _unused_inner(name, value, taken)

    return unused


_UNUSED: dict[str, Callable[[str, Any, Sequence[str | None]], str]] = {
    "first": _unused_items,
    "joined": _unused_values,
    "inner": _unused_inner,
}
"""What no text of a view holds, from the column's name, the value and the texts: a part of the row, or nothing."""


def value_view(
    kind: str, position: int, name: str, unused_parts: list[str], hows: Collection[str] = ("inner", "inner_think")
) -> View:
    """The view of the kind, of the values at `position`. Its faults (UnreadableTurns) name the source's column; what
    it takes of no value is added to `unused_parts`. hows: everything that is taken of the column."""
    read = VALUE_VIEWS[kind]
    unused = _UNUSED.get(kind)
    if kind == "inner" and not {"inner", "inner_think"} <= set(hows):
        unused = _unused_half(0 if "inner" not in hows else 1)

    def view(values: Sequence[Any]) -> Sequence[str | None]:
        try:
            taken = read(values[position])
        except UnreadableTurns as error:
            raise UnreadableTurns(f"{name}: {error}") from error
        if unused is not None and (part := unused(name, values[position], taken)):
            unused_parts.append(part)
        return taken

    return view


def best_view(position: int, name: str, marks: Sequence[Sequence[int]], unused_parts: list[str]) -> View:
    """The best of the generations at `position`, taken apart at its markers. marks: the positions of the marks of
    correctness and completeness, and of the scores (see `best_generation`); unused_parts: the other generations are
    added to it. Raises UnreadableTurns."""

    def view(values: Sequence[Any]) -> CutText:
        best = best_generation(values[position], *([values[at] for at in several] for several in marks))
        taken = cut_text(best)
        if other_items(values[position], best):
            unused_parts.append(items_part(name))
        return taken

    return view
