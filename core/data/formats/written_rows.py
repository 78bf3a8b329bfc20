"""Rows on their way into a file: the columns to write, and batches of their values. Knows no format.

The fields of rows are text. The other columns are values of the source that no field takes, each as its JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from core.base.row import COLUMNS

JSON_FIELDS = ("history", "tools")
"""The fields that hold JSON."""


class WrittenColumn(msgspec.Struct, frozen=True):
    """One column of a file."""

    name: str
    """Its name in the file."""
    field: str = ""
    """The field of a row that it holds; empty for another column of the source."""
    source: str = ""
    """The name of the source's column, where no field takes it."""
    type: bytes = b""
    """Its Arrow type, as a serialised schema of one field, where the source is Parquet or Arrow."""


class WrittenRows(msgspec.Struct, frozen=True):
    """A batch of rows to write, as columns of equal length, in the order of the file's columns."""

    columns: tuple[WrittenColumn, ...]
    """What each column is."""
    values: list[list[Any]]
    """For each column, the texts of a field, or JSON as `msgspec.Raw`, None where the row has no value."""


SIX_COLUMNS = tuple(WrittenColumn(column, column) for column in COLUMNS)
"""The six canonical columns."""


def written_rows(
    columns: tuple[WrittenColumn, ...], fields: dict[str, list[str]], extras: Sequence[dict[str, msgspec.Raw]]
) -> WrittenRows:
    """A batch. fields: the texts of every field that is written; extras: for each row, its other columns by name."""
    values: list[list[Any]] = []
    for column in columns:
        if column.field:
            values.append(fields[column.field])
        else:
            values.append([extra.get(column.source) for extra in extras])
    return WrittenRows(columns, values)


def json_objects(rows: WrittenRows) -> list[dict[str, Any]]:
    """Each row as an object for JSON; a column without a value in a row is not in its object, and neither is a field of
    its context that is empty."""
    objects: list[dict[str, Any]] = [{} for _ in rows.values[0]]
    for column, values in zip(rows.columns, rows.values, strict=True):
        name = column.name
        if column.field in COLUMNS:
            for record, value in zip(objects, values, strict=True):
                record[name] = value
            continue
        for record, value in zip(objects, values, strict=True):
            if column.field in JSON_FIELDS:
                value = _raw_json(value)
            if value is not None and value != "":
                record[name] = value
    return objects


def cell_texts(rows: WrittenRows) -> list[list[str]]:
    """Each column as texts for a format without types: strings as they are, other values as JSON, empty where a row has
    none."""
    return [
        values if column.field else [_cell(value) for value in values]
        for column, values in zip(rows.columns, rows.values, strict=True)
    ]


def _cell(value: msgspec.Raw | None) -> str:
    if value is None:
        return ""
    text = bytes(value)
    if text.startswith(b'"'):
        return str(msgspec.json.decode(text))
    return "" if text == b"null" else text.decode()


def _raw_json(text: str) -> Any:
    """The JSON that `text` holds; the text itself where it is not JSON."""
    if not text:
        return None
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return msgspec.Raw(text.encode())
