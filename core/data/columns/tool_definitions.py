"""Reads the definitions of tools in a column: a list, or the JSON text of one."""

from __future__ import annotations

from typing import Any

from core.data.cell_text import cell_text
from core.data.columns.nested_text import read_nested


def read_tools(value: Any) -> str | None:
    """The JSON text of the list of tools, for `Row.tools`; empty where there are none, None where the value holds no
    list of objects."""
    if isinstance(value, str):
        if value.strip() in ("", "null"):
            return ""
        value = read_nested(value)
        if value is None:
            return None
    if isinstance(value, dict):
        value = [value]
    if not value and (value is None or isinstance(value, list)):
        return ""
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        return None
    return cell_text(value)
