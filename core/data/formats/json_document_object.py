"""Reads a file that is one JSON object: a list of records, columns, rows by their index, splits, or a single record.

pandas writes an object in four ways: `orient` columns, index, split and table.
"""

from __future__ import annotations

from json import JSONDecodeError
from typing import Any

import msgspec

from core.base.errors import DataError
from core.data.cell_text import TOLERANT_JSON, NumberText
from core.data.columns.column_names import RELEVANT_NAMES, normalized_name
from core.data.columns.turn_shapes import is_turn
from core.data.formats.json_document_array import ArrayElements, read_array, read_values
from core.data.formats.repeated_keys import RECORD_JSON
from core.data.formats.row_collector import RowCollector
from core.data.split_names import SPLIT_NAMES


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


def read_object(content: bytes, collector: RowCollector, flag: str = "") -> None:
    """Pass every record of the object to `collector`. flag: the sysflag of records that have none. Raises DataError
    where it is not clear which part has the rows."""
    try:
        members = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if "trailing" in str(error):  # more objects follow the first
            read_values(_MemorySource(memoryview(content)), len(content), collector)
            return
        _read_tolerantly(content, collector, error)
        return
    heads = {name: bytes(memoryview(value)[:4096]).lstrip() for name, value in members.items()}
    lists = [name for name, head in heads.items() if head.startswith(b"[")]
    with_rows = [name for name in lists if heads[name][1:].lstrip().startswith(b"{")]
    if not flag and (splits := _split_members(heads, with_rows)):
        _read_splits({name: members[name] for name in splits}, heads, collector)
    elif any(_are_turns(members[name]) for name in with_rows):
        collector.take(1, _flagged(_decode(content, collector), flag), len(content))  # one row, with chat turns in it
    elif _is_table(heads):
        _read_table(members, collector, flag)
    elif _are_rows(members, heads):
        for number, (_, row) in enumerate(members.items(), 1):
            collector.take(number, _flagged(_decode(bytes(row), collector), flag), len(memoryview(row)))
    elif _are_columns(members, heads, with_rows):
        _read_columns(members, collector, flag)
    elif len(with_rows) == 1:
        read_array(_MemorySource(memoryview(members[with_rows[0]])), len(content), collector, flag)
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
        collector.take(1, _flagged(_decode(content, collector), flag), len(content))


def _read_tolerantly(content: bytes, collector: RowCollector, error: Exception) -> None:
    """Reads an object that is no strict JSON because of NaN or Infinity in it. Raises DataError for any other."""
    try:
        value = TOLERANT_JSON.decode(content.decode())
        strict = msgspec.json.encode(_plain(value))
    except (JSONDecodeError, UnicodeError, RecursionError, msgspec.MsgspecError):
        raise DataError(
            f"this is not JSON: {error}",
            collector.where,
            "Fix it there, or save one object a line as .jsonl",
        ) from error
    read_object(strict, collector)


def _plain(value: Any) -> Any:
    """A decoded value with its numbers as they were written."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return msgspec.Raw(str(value).encode()) if isinstance(value, NumberText) else value


def _flagged(record: Any, flag: str) -> Any:
    """The record with a sysflag, where it has none."""
    if flag and isinstance(record, dict):
        record.setdefault("sysflag", flag)
    return record


def _split_members(heads: dict[str, bytes], with_rows: list[str]) -> list[str]:
    """The members that are splits: lists of rows or objects named like splits, with no other lists and no columns
    beside them; none where it is no object of splits."""
    nested = [name for name, head in heads.items() if head.startswith((b"[", b"{"))]
    are_splits = all(name.lower() in SPLIT_NAMES and (name in with_rows or heads[name][:1] == b"{") for name in nested)
    if not are_splits or any(map(_is_column_name, heads)):
        return []
    return nested if len(nested) > 1 or any(name.lower() in ("train", "training") for name in nested) else []


def _read_splits(members: dict[str, msgspec.Raw], heads: dict[str, bytes], collector: RowCollector) -> None:
    """Reads `{"train": [...], "test": [...]}`: all rows, each with the name of its list as sysflag."""
    names = ", ".join(members)
    collector.problems.note(f"its parts {names} are read as rows with these names as sysflag")
    for name, text in members.items():
        if heads[name].startswith(b"["):
            read_array(_MemorySource(memoryview(text)), len(memoryview(text)), collector, name.lower())
        else:
            read_object(bytes(text), collector, name.lower())


def _decode(content: bytes, collector: RowCollector) -> Any:
    try:
        return RECORD_JSON.decode(content.decode("utf-8", "replace"))
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
    return is_turn(first)


def _is_table(heads: dict[str, bytes]) -> bool:
    """Whether it is what pandas writes with `orient="split"`: names, and rows as lists of values."""
    if not {"columns", "data"} <= heads.keys() <= {"columns", "index", "data"}:
        return False
    return heads["columns"].startswith(b"[") and heads["data"].replace(b" ", b"").startswith((b"[[", b"[\n["))


def _read_table(members: dict[str, msgspec.Raw], collector: RowCollector, flag: str) -> None:
    names = _decode(bytes(members["columns"]), collector)
    for number, values in enumerate(_decode(bytes(members["data"]), collector), 1):
        if not isinstance(values, list) or len(values) != len(names):
            collector.problems.add(number, f"not a list of {len(names)} values, one for each column")
            continue
        size = sum(len(value) if isinstance(value, str) else 8 for value in values)
        collector.take(number, _flagged(dict(zip(map(str, names), values, strict=True)), flag), size)


def _are_rows(members: dict[str, msgspec.Raw], heads: dict[str, bytes]) -> bool:
    """Whether the members are rows by their index, as pandas writes them with `orient="index"`: objects whose own
    members are named like columns, or that are numbered where their members are not."""
    if not members or not all(head.startswith(b"{") for head in heads.values()):
        return False
    try:
        inner = list(msgspec.json.decode(next(iter(members.values())), type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, RecursionError):
        return False
    numbered, inner_numbered = all(map(str.isdecimal, members)), all(map(str.isdecimal, inner))
    if numbered != inner_numbered:
        return numbered
    relevant, inner_relevant = (any(map(_is_column_name, names)) for names in (members, inner))
    return inner_relevant and not relevant


def _is_column_name(name: str) -> bool:
    return normalized_name(name) in RELEVANT_NAMES


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


def _read_columns(members: dict[str, msgspec.Raw], collector: RowCollector, flag: str) -> None:
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
        collector.take(number, _flagged(dict(zip(columns, values, strict=True)), flag), size)
