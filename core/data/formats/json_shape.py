"""The shape of a JSON text, judged by its beginning. Reads no file."""

from __future__ import annotations

import re
from json import JSONDecodeError
from typing import Any, Literal

from core.data.cell_text import TOLERANT_JSON
from core.data.columns.turn_shapes import is_turn

JsonShape = Literal["lines", "array", "object", "values"]
"""lines: a value on each line; array: a list of records; object: one object; values: objects one after the other, not
one to a line."""
_LATER_LINES = 20  # lines after a broken first one that are looked at


def json_shape(head: bytes, complete: bool) -> JsonShape | None:
    """The shape of a JSON text, by its beginning without white space before it; None where that does not tell.
    complete: whether `head` is the whole text."""
    if head.startswith(b"["):
        return _list_shape(head, complete)
    if not head.startswith(b"{"):
        return None
    line, end, rest = head.partition(b"\n")
    value, after = _first_value(line)
    if value is None:
        return _broken_line_shape(line, rest) if end else None
    if after.strip(b" \t\r,"):
        return "values"
    if end and (rest.strip() or not complete):
        return "lines"
    return "object" if complete else None


def _list_shape(head: bytes, complete: bool) -> JsonShape | None:
    """Of a text that begins with a bracket. A list of chat turns on each line is a row on each line."""
    line, _, rest = head.partition(b"\n")
    value, after = _first_value(line)
    if isinstance(value, list) and value and not after.strip() and (all(map(is_turn, value)) or _has_object_line(rest)):
        return "lines"
    if re.match(rb"\[\s*[\[{\"\]]", head) or value is not None:
        return "array"
    return "array" if re.fullmatch(rb"\[\s*", head) and not complete else None


def _broken_line_shape(line: bytes, rest: bytes) -> JsonShape | None:
    """Of a text whose first line begins an object and does not end it: spread over lines, unless a later line is an
    object of its own."""
    if _has_object_line(rest):
        return "lines"
    try:
        TOLERANT_JSON.raw_decode(line.decode("utf-8", "replace"))
    except JSONDecodeError as error:
        if error.pos < len(line.decode("utf-8", "replace").rstrip()) or error.msg.startswith("Unterminated"):
            return None
    except RecursionError:
        return None
    return "object"


def _has_object_line(rest: bytes) -> bool:
    """Whether one of the next lines is an object of its own, not indented."""
    lines = [line for line in rest.split(b"\n")[:_LATER_LINES] if line.startswith(b"{")]
    return any(isinstance(_first_value(line)[0], dict) for line in lines)


def _first_value(line: bytes) -> tuple[Any, bytes]:
    """The value at the beginning of a line and what follows it; None where there is no complete one."""
    text = line.decode("utf-8", "replace")
    try:
        value, end = TOLERANT_JSON.raw_decode(text)
    except (JSONDecodeError, RecursionError):
        return None, line
    return value, text[end:].encode()
