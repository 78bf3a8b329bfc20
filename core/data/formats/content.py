"""The format of a file, judged by its first bytes. The name of a file only decides where they do not tell."""

from __future__ import annotations

import codecs
import csv
from dataclasses import dataclass
from pathlib import Path

from core.data.formats.compression import FileStream, open_stream
from core.data.formats.delimiters import DELIMITERS, likely_delimiter, looks_like_row
from core.data.formats.foreign_files import ForeignFile, foreign_file
from core.data.formats.json_shape import JsonShape, json_shape
from core.data.formats.registry import FormatName
from core.data.formats.text_decoding import encoding_by_mark

_HEAD, _LONG_HEAD = 4096, 1 << 16  # bytes that are looked at; the longer one where the first line is longer
_ARROW = (b"ARROW1", b"\xff\xff\xff\xff")
_TABLE_LINES = 20  # lines by which a table is judged
_COMMENT = (b"//", b"#")


@dataclass(frozen=True)
class FileContent:
    """What a file's first bytes say."""

    format: FormatName | None = None
    """Its format; None where it cannot be told."""
    shape: JsonShape | None = None
    """The shape of JSON; None where it cannot be told, and for other formats."""
    packed: bool = False
    """Whether the file is compressed as a whole."""
    one_line: bool = False
    """Whether it is one object on one line, which is both a document and a line."""
    foreign: ForeignFile | None = None
    """Why it has no rows; None where it may have some."""


def content_of(path: Path) -> FileContent:
    """What the file's first bytes say, decompressed where needed. Reads some kilobytes. Raises OSError."""
    stream = open_stream(path)
    packed = type(stream) is not FileStream
    try:
        head = stream.read(_HEAD)
        complete = len(head) < _HEAD
        if not complete and b"\n" not in head:
            head += stream.read(_LONG_HEAD - _HEAD)
            complete = len(head) < _LONG_HEAD
        if not head and stream.broken:
            return FileContent()  # the reader tells why
    finally:
        stream.close()
    if foreign := foreign_file(path, head):
        return FileContent(foreign=foreign)
    if head.startswith(b"PAR1"):
        return FileContent("parquet", packed=packed)
    if head.startswith(_ARROW):
        return FileContent("arrow", packed=packed)
    if (encoding := encoding_by_mark(head)) is not None:
        text = codecs.getincrementaldecoder(encoding.codec)("replace").decode(head)
        head = text.encode("utf-8", "replace")
    return _text_content(head, complete)


def _text_content(head: bytes, complete: bool) -> FileContent:
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    while start.startswith(_COMMENT):  # lines of JSON may have comments between them
        start = start.partition(b"\n")[2].lstrip()
    shape = json_shape(start, complete)
    if shape is not None:
        one_line = shape == "object" and b"\n" not in start.rstrip()
        return FileContent("lines" if shape == "lines" else "json", shape, one_line=one_line)
    if start.startswith((b"{", b"[")):
        return FileContent()
    return FileContent(_table_format(head, complete))


def _table_format(head: bytes, complete: bool) -> FormatName | None:
    """Whether the text is a table, whose rows are equally wide."""
    text = head.decode("utf-8", "replace")
    lines = [line for line in text.splitlines()[: None if complete else -1] if line.strip()][:_TABLE_LINES]
    if len(lines) < 2 or any(line.startswith(("{", "[")) for line in lines):
        return None
    delimiter = likely_delimiter(lines, ",")
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return None
    widths = [len(row) for row in rows]
    if delimiter not in DELIMITERS or widths[0] < 2 or widths.count(widths[0]) < 0.9 * len(widths):
        return None
    if delimiter == "\t":
        return "tsv"
    return None if looks_like_row(rows[0]) else "csv"
