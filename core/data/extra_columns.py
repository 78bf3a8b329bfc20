"""The values of a record that no field of a row takes, kept as the JSON text of one object so that an export has them.

Knows neither formats nor storage. Numbers keep their digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from core.base.row import FIELDS, is_blank
from core.data.cell_text import json_text

EXTRA = "extra"
"""The name of the stored column with such a text; empty in rows where every value is used."""
STORED_COLUMNS = (*FIELDS, EXTRA)
"""The columns of a stored row, all of them text."""
BYTES = object()
"""Stands for a value of bytes, such as a picture: it is counted, and not kept."""
_EMPTY_JSON = frozenset((b"", b"null", b"[]", b"{}"))
_MAY_BE_BLANK = frozenset(b'"' + bytes((byte,)) for byte in b'" \\\xc2\xe1\xe2\xe3')  # a string that begins so
_SHORT = 16  # bytes of JSON that may be empty brackets with spaces in them


def extra_text(values: Mapping[str, Any]) -> str:
    """The JSON text of `values`, by column; empty where there are none. A value is any JSON value, or its JSON as
    `msgspec.Raw`; an empty one and `BYTES` are left out."""
    parts = []
    for name, value in values.items():
        if type(value) is msgspec.Raw:
            if text := str(value, "utf-8", "replace").strip():  # Raw is a buffer
                parts.append(f"{_quoted_name(name)}:{text}")
        elif value is not BYTES:
            parts.append(f"{_quoted_name(name)}:{json_text(value)}")
    return "{" + ",".join(parts) + "}" if parts else ""


def read_extra(text: str) -> dict[str, msgspec.Raw]:
    """The values of an `extra_text`, each as its JSON."""
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw]) if text else {}


def has_value(value: Any) -> bool:
    """Whether a value is there and not blank. value: as in `extra_text`."""
    if type(value) is msgspec.Raw:
        return _is_filled_json(bytes(value).strip())
    if isinstance(value, str):
        return not is_blank(value)
    return value is not None and value == value and value != [] and value != {}


def _is_filled_json(text: bytes) -> bool:
    if text[:2] in _MAY_BE_BLANK:
        return not is_blank(msgspec.json.decode(text))
    return (text if len(text) > _SHORT else text.translate(None, b" \t\r\n")) not in _EMPTY_JSON


@lru_cache(maxsize=1024)
def _quoted_name(name: str) -> str:
    return json.dumps(name, ensure_ascii=False).encode("utf-8", "replace").decode()
