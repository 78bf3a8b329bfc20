"""Reads texts that hold a list or an object: as JSON, or as Python writes its own values (`[{'role': 'user'}]`)."""

from __future__ import annotations

import ast
import warnings
from typing import Any

from core.data.cell_text import TOLERANT_JSON

_LONGEST_PYTHON = 1 << 20  # characters; Python's parser takes a hundred times as much memory
_PYTHON_STARTS = ("[{'", "['", "{'", "[['", "[(", "[\"", "[{\"", "{\"", "[[\"")  # fmt: skip


def read_nested(text: str) -> list[Any] | dict[str, Any] | None:
    """The list or object that `text` holds; None for any other text."""
    bare = text.strip()
    if bare[:1] not in ("[", "{"):
        return None
    try:
        value = TOLERANT_JSON.decode(bare)
    except (ValueError, RecursionError):
        value = _read_python(bare) if bare.startswith(_PYTHON_STARTS) else None
    return value if isinstance(value, list | dict) else None


def looks_like_python(value: Any) -> bool:
    """Whether the value is a text that begins as Python writes a list or an object and JSON does not."""
    return isinstance(value, str) and value.lstrip().startswith(("[{'", "['", "{'", "[['", "[('"))


def _read_python(text: str) -> Any:
    """The value that Python would read, without running anything; None where there is none."""
    if len(text) > _LONGEST_PYTHON:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape in a text is not our code
            return _as_json(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _as_json(value: Any) -> Any:
    """The value with lists for tuples. Raises ValueError for a value that JSON does not have."""
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(type(value).__name__)
