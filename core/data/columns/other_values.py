"""What of a list or an object no text of a row holds: the other items of a list, the other members of an object.

A reader counts it, so that nothing of a source is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from core.base.safe_text import safe_line
from core.data.cell_text import cell_text
from core.data.columns.generations import as_list
from core.data.columns.nested_text import read_nested
from core.data.extra_columns import has_value

_KINDS = ("text", "input_text", "output_text", "thinking", "reasoning", "thought")
"""The types of parts that say nothing besides what the part is."""


def other_items(value: Any, taken: str | None) -> bool:
    """Whether a list, or the one that a text holds, has an item with a value besides the text `taken` from it."""
    items = as_list(value) if taken is not None else None
    if items is None or len(items) < 2:
        return False
    return any(has_value(item) and cell_text(item) != taken for item in items)


def other_leaves(value: Any, taken: Sequence[str]) -> bool:
    """Whether a list or an object, or the one that a text holds, has a value inside that is in none of the texts
    `taken` from it: equal to one, or, where a text is made of several values, within it."""
    value = read_nested(value) if isinstance(value, str) else value
    if not isinstance(value, list | dict):
        return False
    leaves = [leaf.strip() for leaf in _leaves(value)]
    texts = {text.strip() for text in taken}
    made = texts.difference(leaves)
    return any(leaf not in texts and not any(leaf in text for text in made) for leaf in leaves)


def members_besides(value: Any, paths: Iterable[tuple[str, ...]]) -> bool:
    """Whether an object or a list, or the one that a text holds, has a value besides those at the ends of `paths`."""
    value = read_nested(value) if isinstance(value, str) else value
    inside = list(paths)
    if () in inside:
        return False
    if isinstance(value, dict):
        members: Iterable[tuple[str, Any]] = value.items()
    elif isinstance(value, list):
        members = ((str(index), item) for index, item in enumerate(value))
    else:
        return has_value(value)
    for key, item in members:
        deeper = [path[1:] for path in inside if path[0] == key]
        if members_besides(item, deeper) if deeper else any(True for _ in _leaves(item)):
            return True
    return False


def items_part(name: str) -> str:
    """What a row has where `other_items` of the column `name` are not used."""
    return f"other items in {safe_line(name, 60)}"


def values_part(name: str) -> str:
    """What a row has where other values inside the column `name` are not used."""
    return f"other values in {safe_line(name, 60)}"


def _leaves(value: Any) -> Iterator[str]:
    """The texts of the values inside, which are no lists or objects and not blank."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "type" or item not in _KINDS:
                yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif has_value(value):
        yield cell_text(value)
