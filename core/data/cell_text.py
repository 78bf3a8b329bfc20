"""Makes cell text of a JSON value: numbers keep their digits, null becomes empty, nested values become JSON."""

from __future__ import annotations

import json
import math
import re
from json import JSONDecodeError
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


class NumberText(str):
    """A JSON number as it is written in the source: 72 stays 72, 1.10 stays 1.10, and long numbers keep all digits."""

    __slots__ = ()


TOLERANT_JSON = json.JSONDecoder(
    parse_int=NumberText, parse_float=NumberText, parse_constant=lambda name: None if name == "NaN" else name
)
"""The tolerant decoder: numbers become `NumberText`; of what Python writes and JSON does not have, NaN becomes
None and Infinity a text."""


def replace_surrogates(text: str) -> str:
    """`text` with each lone surrogate replaced by U+FFFD: Arrow, DuckDB and tokenizers only take valid UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


def holds_lone_surrogate(value: Any) -> bool:
    """Whether a text in a JSON value holds a lone surrogate, half of a character."""
    if isinstance(value, str):
        return replace_surrogates(value) is not value
    if isinstance(value, dict):
        return any(holds_lone_surrogate(name) or holds_lone_surrogate(item) for name, item in value.items())
    return isinstance(value, list) and any(map(holds_lone_surrogate, value))


def cell_text(value: Any) -> str:
    """The text of one value. Raises RecursionError where it is nested too deeply for Python."""
    if type(value) is str:
        return replace_surrogates(value)
    if isinstance(value, str):
        return replace_surrogates(str(value))
    return "" if value is None else json_text(value)


def json_text(value: Any) -> str:
    """The JSON of one value, without spaces; infinity, which JSON does not have, is a string. Raises RecursionError
    where it is nested too deeply for Python."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    if isinstance(value, NumberText | int | float):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(str(key))}:{json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return _quoted(str(value))


def _quoted(text: str) -> str:
    return json.dumps(replace_surrogates(text), ensure_ascii=False)


def explain_not_json(error: JSONDecodeError) -> str:
    """The fault of a line that should be JSON, with its position."""
    return f"not JSON: {error.msg.removesuffix(' starting at')} at character {error.pos + 1}"
