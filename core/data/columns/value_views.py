"""What a mapping takes of texts, lists and objects, record by record. Knows no chat turns.

A view takes the values of a reader's source columns and returns the texts that picks choose among.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from core.data.cell_text import cell_text
from core.data.columns.headings import HEADING_SPLITS
from core.data.columns.inner_text import InnerText, as_nested, first_text, inner_text, joined_text, plain_text
from core.data.columns.reasoning_beside import CutText
from core.data.columns.row_views import UNCLOSED, View
from core.data.columns.thinking import ThinkingSplit, split_thinking
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


VALUE_VIEWS: dict[str, Callable[[Any], Sequence[str | None]]] = {
    "text": _text,
    "json": _json,
    "cut": cut_text,
    "unmarked": _unmarked,
    "first": lambda value: (first_text(value),),
    "joined": lambda value: (joined_text(value),),
    "inner": _inner,
    **{kind: partial(cut_text, split=split) for kind, split in HEADING_SPLITS.items()},
}
"""What each kind of view makes of one value."""


def value_view(kind: str, position: int, name: str) -> View:
    """The view of the kind, of the values at `position`. Its faults (UnreadableTurns) name the source's column."""
    read = VALUE_VIEWS[kind]

    def view(values: Sequence[Any]) -> Sequence[str | None]:
        try:
            return read(values[position])
        except UnreadableTurns as error:
            raise UnreadableTurns(f"{name}: {error}") from error

    return view
