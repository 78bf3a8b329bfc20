"""A .json file: an array of records, an object of one list or of columns, one record, or JSON lines.

Written as an array.
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
from core.data.formats.json_document_array import read_array
from core.data.formats.json_document_object import read_object
from core.data.formats.json_lines import read_lines
from core.data.formats.row_collector import RowCollector, SourceFacts
from core.data.formats.text_decoding import BLOCK, ByteSource, open_utf8
from core.data.formats.text_files import open_head, read_text_files
from core.data.formats.written_rows import WrittenColumn, WrittenRows, json_objects

_FIRST_LINE = 1 << 20  # bytes within which a first line must end to be judged before the import


def read_files(paths: Sequence[Path], collector: RowCollector) -> None:
    """Pass every row to `collector`. Each file may have a different shape."""
    read_text_files(paths, collector, read_file)


def open_early(paths: Sequence[Path], where: str, mapping: ColumnMapping | None) -> tuple[EarlyRows, SourceFacts]:
    """The first rows; none of an object, since it can only be read completely, which the terminal's process must not
    do. Raises DataError, OSError."""
    if _is_object(paths[0]):
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
    source = open_utf8(path)
    try:
        shape = _shape(source)
    finally:
        source.close()
    source = open_utf8(path, collector.problems)
    try:
        if shape == "lines":
            read_lines(source, path.stat().st_size, collector)
        elif shape == "array":
            read_array(source, path.stat().st_size, collector)
        else:
            read_object(source.read(), collector)
    finally:
        source.close()


def _shape(source: ByteSource) -> str:
    head = source.read(1 << 16).lstrip()
    if not head.startswith(b"{"):
        return "array" if head.startswith(b"[") else "lines"
    pieces = [head]
    while b"\n" not in pieces[-1] and (piece := source.read(BLOCK)):
        pieces.append(piece)
    line, _, rest = b"".join(pieces).partition(b"\n")
    try:
        TOLERANT_JSON.decode(line.decode("utf-8", "replace"))
    except (JSONDecodeError, RecursionError):
        return "object"  # pretty-printed over several lines
    return "lines" if rest.strip() or source.read(BLOCK).strip() else "object"


def _is_object(path: Path) -> bool:
    """Whether the file is probably one object, judged by its beginning."""
    source = open_utf8(path)
    try:
        head = source.read(_FIRST_LINE).lstrip()
    finally:
        source.close()
    line, end, _ = head.partition(b"\n")
    try:
        return head.startswith(b"{") and not (end and msgspec.json.decode(line) is not None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
