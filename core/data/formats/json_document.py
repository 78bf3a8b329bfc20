"""A JSON document: an array of records, an object of lists, of columns or of rows, objects one after the other, or JSON
lines. Written as an array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import msgspec

from core.data.cell_text import TOLERANT_JSON
from core.data.columns.mapping import ColumnMapping
from core.data.formats.early_rows import EarlyRows, HeadRows
from core.data.formats.json_document_array import read_array, read_values
from core.data.formats.json_document_object import read_object
from core.data.formats.json_lines import read_lines
from core.data.formats.json_shape import JsonShape, json_shape
from core.data.formats.row_collector import RowCollector, SourceFacts
from core.data.formats.text_decoding import open_utf8
from core.data.formats.text_files import open_head, read_text_files
from core.data.formats.written_rows import WrittenColumn, WrittenRows, json_objects

_HEAD = 1 << 16  # bytes by which the shape is judged
_FIRST_LINE = 1 << 20  # bytes within which a longer first line must end to be judged


def read_files(paths: Sequence[Path], collector: RowCollector) -> None:
    """Pass every row to `collector`. Each file may have a different shape."""
    read_text_files(paths, collector, read_file)


def open_early(paths: Sequence[Path], where: str, mapping: ColumnMapping | None) -> tuple[EarlyRows, SourceFacts]:
    """The first rows; none of an object, since it can only be read completely, which the terminal's process must not
    do. Raises DataError, OSError."""
    if _shape_of(paths[0]) == "object":
        return HeadRows(where, paths, []), SourceFacts(mapping or ColumnMapping(), (), [], 0)
    return open_head(paths, where, mapping, read_file)


@contextmanager
def open_writer(stream: Any, columns: tuple[WrittenColumn, ...]) -> Iterator[Callable[[WrittenRows], None]]:
    """The function that writes one batch to the binary `stream`, as elements of one array, a row a line."""
    encode = msgspec.json.Encoder().encode
    before = b"[\n"

    def write(rows: WrittenRows) -> None:
        nonlocal before
        for record in json_objects(rows):
            stream.write(before + encode(record))
            before = b",\n"

    yield write
    stream.write(b"\n]\n")


def read_file(path: Path, collector: RowCollector) -> None:
    """Pass every row of one file to `collector`."""
    shape = _shape_of(path)
    source = open_utf8(path, collector.problems)
    size = path.stat().st_size
    try:
        if shape == "array":
            read_array(source, size, collector)
        elif shape == "values":
            read_values(source, size, collector)
        elif shape == "object":
            read_object(source.read(), collector)
        else:
            read_lines(source, size, collector)
    finally:
        source.close()


def _shape_of(path: Path) -> JsonShape:
    """The shape of a file, judged by its beginning. Lines where it is no JSON, so that each is reported."""
    source = open_utf8(path)
    try:
        head = source.read(_HEAD).lstrip()
        if head and b"\n" not in head:
            head += source.read(_FIRST_LINE - len(head))
        complete = not source.read(1)
    finally:
        source.close()
    shape = json_shape(head, complete)
    if shape == "object" or (shape is None and head.startswith(b"{")):
        return "values" if _another_follows(head) else "object"
    return shape or ("array" if head.startswith(b"[") else "lines")


def _another_follows(head: bytes) -> bool:
    """Whether the first object ends and another begins after it, as where objects are written over several lines each
    without a list around them."""
    text = head.decode("utf-8", "replace")
    try:
        _, end = TOLERANT_JSON.raw_decode(text)
    except (JSONDecodeError, RecursionError):
        return False
    return text[end:].lstrip(" \t\r\n,").startswith("{")
