"""Paths into the values of a column: `reward_model.ground_truth`, `choices.0.message.content`.

A path begins with the name of a column; each further part is the name of a member, or the number of an element from 0.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from core.data.columns.nested_text import read_nested

_DEEPEST, _MOST_PATHS, _ROWS = 6, 60, 20


def split_path(column: str, names: Container[str]) -> tuple[str, tuple[str, ...]]:
    """The column among `names` that a path begins with, and the parts after it, none where `column` is a column itself.
    A path whose column is not there is returned as a column."""
    if column not in names:
        parts = column.split(".")
        for size in range(len(parts) - 1, 0, -1):
            if (root := ".".join(parts[:size])) and root in names:
                return root, tuple(parts[size:])
    return column, ()


def follow_path(value: Any, parts: Sequence[str]) -> Any:
    """The value that `parts` lead to; None where there is none. A text on the way is read as the JSON that it holds."""
    for part in parts:
        if isinstance(value, str):
            value = read_nested(value)
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def paths_into(name: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paths to the values inside the objects of a column, as the first few rows have them; of a list of objects,
    into its first one."""
    found: dict[str, None] = {}
    for row in [row for row in rows if row.get(name) is not None][:_ROWS]:
        value = read_nested(row[name]) if isinstance(row[name], str) else row[name]
        _add_paths(name, value, _DEEPEST, found)
    found.pop(name, None)
    return list(found)


def _add_paths(path: str, value: Any, deeper: int, found: dict[str, None]) -> None:
    if isinstance(value, list) and value and isinstance(value[0], dict) and deeper:
        _add_paths(f"{path}.0", value[0], deeper - 1, found)
        return
    if isinstance(value, dict) and deeper:
        for key, item in value.items():
            if isinstance(key, str) and key and "." not in key:
                _add_member(f"{path}.{key}", item, deeper - 1, found)
        return


def _add_member(path: str, value: Any, deeper: int, found: dict[str, None]) -> None:
    nested = isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))
    if value is not None and len(found) < _MOST_PATHS:
        found[path] = None
    if nested:
        _add_paths(path, value, deeper, found)
