"""Pages of Arrow files (IPC files, Feather files, streams) before they are imported.

Reads the head of each message to find where the rows are, and one record batch for a page. The file is read, never
mapped: truncating a mapped file kills the process.
"""

from __future__ import annotations

import os
import struct
import weakref
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from core.base.errors import DataError
from core.base.row import Row
from core.data.columns.mapping import ColumnMapping, RowReader
from core.data.formats.arrow_validation import validated_batch
from core.data.formats.early_rows import EarlyRows, read_across_files, row_or_problem

LARGEST_MESSAGE = 64 << 20  # bytes of a record batch that are read for one page
_MAGIC = b"ARROW1\0\0"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_MAX_ROWS = 1 << 40  # a batch with more is damaged
_MAX_HEAD = 1 << 24  # bytes of a message's head; more than any schema of a thousand columns has


@dataclass(frozen=True)
class _Message:
    """One encapsulated message of a stream."""

    start: int
    """The offset of the message in the file, in bytes."""
    size: int
    """Bytes of its head and body."""
    header_type: int
    """The type in its head: `_SCHEMA`, `_DICTIONARY`, `_BATCH`."""
    rows: int
    """Rows of a record batch, else 0."""


class ArrowMessages:
    """The record batches of one file. Raises OSError, and DataError where the file is damaged."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)
        messages = list(_messages(self._descriptor, path))
        schemas = [message for message in messages if message.header_type == _SCHEMA]
        if not schemas:
            raise DataError("it contains no Arrow data", str(path), "Copy or write it again")
        try:
            self._schema: Any = pa.ipc.read_schema(pa.py_buffer(self._bytes(schemas[0])))
        except pa.ArrowInvalid as error:
            raise self._damaged(str(error).splitlines()[0]) from error
        self._batches = [message for message in messages if message.header_type == _BATCH]
        # whether a page can be read from one batch without the others
        self.usable = all(message.header_type != _DICTIONARY for message in messages) and all(
            message.size <= LARGEST_MESSAGE for message in self._batches
        )
        self._starts = [0, *accumulate(message.rows for message in self._batches)]
        self.rows = self._starts.pop()
        self.names: list[str] = self._schema.names

    def _bytes(self, message: _Message) -> bytes:
        return os.pread(self._descriptor, message.size, message.start)

    def read(self, columns: Sequence[str], first: int, limit: int) -> list[list[Any]]:
        """The values of `columns` in at most `limit` rows from row `first` on. Raises DataError where they are
        damaged."""
        import pyarrow as pa

        rows: list[list[Any]] = []
        number = max(0, bisect_right(self._starts, first) - 1)
        while len(rows) < limit and number < len(self._batches):
            try:
                batch = pa.ipc.read_record_batch(pa.py_buffer(self._bytes(self._batches[number])), self._schema)
                piece = validated_batch(batch.slice(max(0, first - self._starts[number]), limit - len(rows)))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
                raise self._damaged(str(error).splitlines()[0]) from error
            if len(batch) != self._batches[number].rows:
                raise self._damaged("the length of a batch differs from its head")
            values = [_values(piece.column(self.names.index(name))) for name in columns]
            rows += map(list, zip(*values, strict=True)) if values else [[]] * len(piece)
            number += 1
        return rows

    def _damaged(self, what: str) -> DataError:
        return DataError(f"the file is damaged: {what}", str(self._path), "Copy or write it again")


def _values(column: Any) -> list[Any]:
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return [
            bytes(value).decode("utf-8", "replace") if value is not None else None
            for value in column.cast("binary").to_pylist()
        ]


class EarlyArrow(EarlyRows):
    """The rows of Arrow files, before the import."""

    def __init__(
        self, where: str, paths: Sequence[Path], files: Sequence[ArrowMessages], mapping: ColumnMapping
    ) -> None:
        self._files = files
        self._reader = RowReader(mapping, files[0].names)
        self._starts = [0, *accumulate(file.rows for file in files)]
        super().__init__(where, paths, self._starts.pop())

    def _read(self, first: int, limit: int) -> list[Row]:
        rows = read_across_files(self._rows, self._starts, self._length, first, limit)
        return [row_or_problem(row, index, f"row {index + 1}") for index, row in enumerate(rows, first)]

    def _rows(self, number: int, first: int, limit: int) -> Iterator[list[str] | str]:
        file = self._files[number]
        if not set(self._reader.sources) <= set(file.names):
            yield from ["the file lacks a column that the others have"] * limit
            return
        for values in file.read(self._reader.sources, first, limit):
            yield self._reader.read(values)


def _messages(descriptor: int, path: Path) -> Iterator[_Message]:
    """The encapsulated messages of a stream; an IPC file is eight bytes and then a stream. Stops at the end of the
    stream, or where it is truncated."""
    size = os.fstat(descriptor).st_size
    start = len(_MAGIC) if os.pread(descriptor, 8, 0) == _MAGIC else 0
    while start + 8 <= size:
        marker, length = struct.unpack("<Ii", os.pread(descriptor, 8, start))
        if marker != 0xFFFFFFFF or length <= 0 or length > _MAX_HEAD:
            return  # the end of the stream, or the old format without markers, which the import reads
        head = os.pread(descriptor, length, start + 8)
        try:
            header_type, body, rows = _parse_head(head)
        except (struct.error, IndexError) as error:
            raise DataError(f"the file is damaged near byte {start}", str(path), "Copy or write it again") from error
        message_size = 8 + length + body
        if body < 0 or start + message_size > size:
            return
        yield _Message(start, message_size, header_type, rows)
        start += message_size


def _parse_head(head: bytes) -> tuple[int, int, int]:
    """(header type, bytes of the body, rows) of a message: a flatbuffer table of version, header type, header and body
    length (Arrow's Message.fbs)."""
    table = struct.unpack_from("<I", head, 0)[0]
    type_offset, header_offset, body_offset = (_field_offset(head, table, number) for number in (1, 2, 3))
    header_type = head[type_offset] if type_offset else 0
    body = struct.unpack_from("<q", head, body_offset)[0] if body_offset else 0
    rows = 0
    if header_type == _BATCH and header_offset:
        batch = header_offset + struct.unpack_from("<I", head, header_offset)[0]
        length_offset = _field_offset(head, batch, 0)
        rows = struct.unpack_from("<q", head, length_offset)[0] if length_offset else 0
    if not 0 <= rows < _MAX_ROWS:
        raise IndexError(rows)
    return header_type, body, rows


def _field_offset(buffer: bytes, table: int, number: int) -> int:
    """The offset of a field of a flatbuffer table, 0 where the table lacks it."""
    entries = table - struct.unpack_from("<i", buffer, table)[0]
    if entries < 0 or 4 + 2 * number + 2 > struct.unpack_from("<H", buffer, entries)[0]:
        return 0
    offset: int = struct.unpack_from("<H", buffer, entries + 4 + 2 * number)[0]
    return table + offset if offset else 0
