"""Reads a file that is one JSON object: a list of records, columns of one length, or a single record."""

from __future__ import annotations

from json import JSONDecodeError
from typing import Any

import msgspec

from core.base.errors import DataError
from core.data.cell_text import TOLERANT_JSON
from core.data.columns.turn_shapes import as_turns
from core.data.formats.json_document_array import ArrayElements, read_array
from core.data.formats.row_collector import RowCollector


class _MemorySource:
    """Bytes in memory, read as a stream without a second complete copy."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self.done = 0

    def read(self, size: int = -1, /) -> bytes:
        size = len(self._view) if size < 0 else size
        block, self._view = bytes(self._view[:size]), self._view[size:]
        self.done += len(block)
        return block

    def close(self) -> None:
        self._view = self._view[:0]


def read_object(content: bytes, collector: RowCollector) -> None:
    """Pass every record of the object to `collector`. Raises DataError where it is not clear which part has the
    rows."""
    try:
        members = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"this is not JSON: {error}",
            collector.where,
            "Fix it there, or save one object a line as .jsonl",
        ) from error
    heads = {name: bytes(memoryview(value)[:4096]).lstrip() for name, value in members.items()}
    lists = [name for name, head in heads.items() if head.startswith(b"[")]
    with_rows = [name for name in lists if heads[name][1:].lstrip().startswith(b"{")]
    if any(_are_turns(members[name]) for name in with_rows):
        collector.take(1, _decode(content, collector), len(content))  # one row, with chat turns in it
    elif _are_columns(members, heads, with_rows):
        _read_columns(members, collector)
    elif len(with_rows) == 1:
        read_array(_MemorySource(memoryview(members[with_rows[0]])), len(content), collector)
    elif with_rows:
        do = (
            "Keep one list of objects in it, or save one object a line as .jsonl "
            "(pandas: to_json(path, orient='records', lines=True))"
        )
        raise DataError(
            f"it has {len(lists)} lists ({', '.join(lists[:10])}), and it is not clear which one has the rows",
            collector.where,
            do,
        )
    else:
        collector.take(1, _decode(content, collector), len(content))


def _decode(content: bytes, collector: RowCollector) -> Any:
    try:
        return TOLERANT_JSON.decode(content.decode("utf-8", "replace"))
    except (JSONDecodeError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(
            f"this is not JSON: {why}", collector.where, "Fix it, or save one object a line as .jsonl"
        ) from error


def _are_turns(text: msgspec.Raw) -> bool:
    """Whether a list of objects is a list of chat turns, judged by its first element."""
    try:
        _, first = next(iter(ArrayElements(_MemorySource(memoryview(text)))))
    except (JSONDecodeError, RecursionError):
        return False
    return as_turns([first]) is not None


def _are_columns(members: dict[str, msgspec.Raw], heads: dict[str, bytes], with_rows: list[str]) -> bool:
    """Whether the members are columns: all of them objects, or all of them lists and not only lists of rows."""
    if len(members) > 1 and all(head.startswith(b"{") for head in heads.values()):
        return True
    if not members or not all(head.startswith(b"[") for head in heads.values()) or len(with_rows) == len(members):
        return False
    if not with_rows:
        return True
    lengths = {len(msgspec.json.decode(text, type=list[msgspec.Raw])) for text in members.values()}
    return len(lengths) == 1


def _read_columns(members: dict[str, msgspec.Raw], collector: RowCollector) -> None:
    """Reads an object of columns: lists of equal length, or objects from a row's name to its value, as pandas writes
    them."""
    columns: dict[str, list[Any]] = {}
    for name, text in members.items():
        value = _decode(bytes(text), collector)
        columns[name] = list(value.values()) if isinstance(value, dict) else value
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        lengths_text = ", ".join(f"{name} {length}" for name, length in list(lengths.items())[:10])
        raise DataError(
            f"its columns differ in length ({lengths_text})",
            collector.where,
            "Write it again, or save one object a line as .jsonl",
        )
    for number, values in enumerate(zip(*columns.values(), strict=True), 1):
        size = sum(len(value) if isinstance(value, str) else 8 for value in values)
        collector.take(number, dict(zip(columns, values, strict=True)), size)
