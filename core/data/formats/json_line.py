"""Reads what stands on one line of JSON Lines: usually an object, sometimes a little more or less than that.

What is certain is read over: a comma after the object, a line that is a comment, several objects on one line.
"""

from __future__ import annotations

import re
from json import JSONDecodeError
from typing import Any, NamedTuple

from core.data.cell_text import explain_not_json
from core.data.formats.repeated_keys import RECORD_JSON

COMMAS = "the commas after its lines are read over"
COMMENTS = "lines that are comments are read over"
SEVERAL = "several objects stand on one line; each is a row"
_BETWEEN = re.compile(r"[\s,\x1e]*")
_COMMA_AT_END = re.compile(rb"\}[ \t]*,[ \t]*(?=\r?\n|\Z)")
_PYTHON = re.compile(r"\{\s*'|.*:\s*(?:None|True|False)\s*[,}]", re.DOTALL)


class LineContent(NamedTuple):
    """What stands on one line."""

    records: list[Any]
    """Its values, any JSON; none of a comment or a faulty line."""
    fault: str = ""
    """Why it cannot be read, as a sentence without its full stop; empty where it can."""
    advice: str = ""
    """What to do about the fault; may be empty."""
    note: str = ""
    """What was read over, as a sentence without its full stop; empty where nothing was."""


def read_line(text: str) -> LineContent:
    """The values on one line without white space around it."""
    try:
        return LineContent([RECORD_JSON.decode(text)])
    except JSONDecodeError as error:
        return _read_over(text, error)
    except RecursionError:
        return LineContent([], "nested too deeply")


def without_commas(block: bytes) -> bytes:
    """The block of lines without a comma at the end of each; the same object where its first line has none, since a
    search through the whole block takes as long as parsing half of it."""
    if not block[: block.find(b"\n") + 1 or len(block)].rstrip().endswith(b"},"):
        return block
    return _COMMA_AT_END.sub(b"}", block)


def _read_over(text: str, error: JSONDecodeError) -> LineContent:
    if text.startswith(("//", "#")):
        return LineContent([], note=COMMENTS)
    records: list[Any] = []
    position = _end_of_gap(text, 0)
    try:
        while position < len(text):
            value, end = RECORD_JSON.raw_decode(text, position)
            records.append(value)
            position = _end_of_gap(text, end)
    except (JSONDecodeError, RecursionError):
        return _fault(text, error)
    if not records or not all(isinstance(record, dict) for record in records):
        return _fault(text, error)
    return LineContent(records, note=SEVERAL if len(records) > 1 else COMMAS)


def _end_of_gap(text: str, position: int) -> int:
    found = _BETWEEN.match(text, position)
    return found.end() if found is not None else position


def _fault(text: str, error: JSONDecodeError) -> LineContent:
    what = explain_not_json(error)
    if text.startswith("{") and _PYTHON.match(text):
        return LineContent([], f"{what}; it looks like a Python dictionary", "Write each row with json.dumps")
    return LineContent([], what)
