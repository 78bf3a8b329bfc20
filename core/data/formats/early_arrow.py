"""Pages of Arrow files (IPC files, feather, streams as datasets saves them) before they are imported. Reads the head of
each message to learn where the rows lie, and one record batch for a page. The file is read, never mapped: one that is
cut short while it is mapped kills the process.
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
from core.data.columns.mapping import Mapping, RowReader
from core.data.formats.arrow_offsets import sound
from core.data.formats.early_rows import EarlyRows, gathered, shown

LARGEST = 64 << 20  # bytes of a record batch that are read for one page
_MAGIC = b"ARROW1\0\0"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_MOST = 1 << 40  # rows; more are damage
_HEAD = 1 << 16  # bytes of a message's head; more than any schema of a thousand columns has


@dataclass(frozen=True)
class _Message:
    """at: the byte where it begins; size: with its head and body; kind, rows: as in its head."""

    at: int
    size: int
    kind: int
    rows: int


class Batches:
    """The record batches of one file. `usable`: whether a page can be read from each of them alone. Raises OSError,
    DataError where it is damaged."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)
        messages = list(_messages(self._descriptor, path))
        schemas = [message for message in messages if message.kind == _SCHEMA]
        if not schemas:
            raise DataError("it holds no Arrow data", str(path), "Copy or write it again")
        try:
            self._schema: Any = pa.ipc.read_schema(pa.py_buffer(self._bytes(schemas[0])))
        except pa.ArrowInvalid as error:
            raise DataError(
                f"the file is damaged: {str(error).splitlines()[0]}", str(path), "Copy or write it again"
            ) from error
        self._path = path
        self._batches = [message for message in messages if message.kind == _BATCH]
        self.usable = all(message.kind != _DICTIONARY for message in messages) and all(
            message.size <= LARGEST for message in self._batches
        )
        self._starts = [0, *accumulate(message.rows for message in self._batches)]
        self.rows = self._starts.pop()
        self.names: list[str] = self._schema.names

    def _bytes(self, message: _Message) -> bytes:
        return os.pread(self._descriptor, message.size, message.at)

    def read(self, columns: Sequence[str], first: int, limit: int) -> list[list[Any]]:
        """The values of `columns` of the rows from `first` on."""
        import pyarrow as pa

        rows: list[list[Any]] = []
        place = max(0, bisect_right(self._starts, first) - 1)
        while len(rows) < limit and place < len(self._batches):
            try:
                batch = pa.ipc.read_record_batch(pa.py_buffer(self._bytes(self._batches[place])), self._schema)
                piece = sound(batch.slice(max(0, first - self._starts[place]), limit - len(rows)))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
                raise DataError(
                    f"the file is damaged: {str(error).splitlines()[0]}", str(self._path), "Copy or write it again"
                ) from error
            if len(batch) != self._batches[place].rows:
                raise DataError(
                    "the file is damaged: a batch has another length than it says",
                    str(self._path),
                    "Copy or write it again",
                )
            values = [_values(piece.column(self.names.index(name))) for name in columns]
            rows += map(list, zip(*values, strict=True)) if values else [[]] * len(piece)
            place += 1
        return rows


def _values(column: Any) -> list[Any]:
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return [
            bytes(value).decode("utf-8", "replace") if value is not None else None
            for value in column.cast("binary").to_pylist()
        ]


class EarlyArrow(EarlyRows):
    counted = True

    def __init__(self, where: str, paths: Sequence[Path], files: Sequence[Batches], mapping: Mapping) -> None:
        self._files = files
        self._reader = RowReader(mapping, files[0].names)
        self._starts = [0, *accumulate(file.rows for file in files)]
        super().__init__(where, paths, self._starts.pop())

    def _read(self, first: int, limit: int) -> list[Row]:
        rows = gathered(self._rows, self._starts, self._length, first, limit)
        return [shown(read, first + offset, f"row {first + offset + 1}") for offset, read in enumerate(rows)]

    def _rows(self, shard: int, place: int, limit: int) -> Iterator[list[str] | str]:
        file = self._files[shard]
        if not set(self._reader.sources) <= set(file.names):
            yield from ["the file lacks a column that the others have"] * limit
            return
        for values in file.read(self._reader.sources, place, limit):
            yield self._reader.read(values)


def _messages(descriptor: int, path: Path) -> Iterator[_Message]:
    """The encapsulated messages of a stream; an IPC file is one behind eight bytes of its own. Ends where the stream
    does, or where it is cut."""
    size = os.fstat(descriptor).st_size
    at = len(_MAGIC) if os.pread(descriptor, 8, 0) == _MAGIC else 0
    while at + 8 <= size:
        marker, length = struct.unpack("<Ii", os.pread(descriptor, 8, at))
        if marker != 0xFFFFFFFF or length <= 0 or length > _HEAD << 8:
            return  # the end of the stream, or the old format without markers, which the import reads
        head = os.pread(descriptor, length, at + 8)
        try:
            kind, body, rows = _head(head)
        except (struct.error, IndexError) as error:
            raise DataError(f"the file is damaged near byte {at}", str(path), "Copy or write it again") from error
        whole = 8 + length + body
        if body < 0 or at + whole > size:
            return
        yield _Message(at, whole, kind, rows)
        at += whole


def _head(head: bytes) -> tuple[int, int, int]:
    """(kind, bytes of the body, rows) of a message: a flatbuffer table of version, header type, header and body length
    (Arrow's Message.fbs)."""
    table = struct.unpack_from("<I", head, 0)[0]
    kind_at, header_at, body_at = (_field(head, table, number) for number in (1, 2, 3))
    kind = head[kind_at] if kind_at else 0
    body = struct.unpack_from("<q", head, body_at)[0] if body_at else 0
    rows = 0
    if kind == _BATCH and header_at:
        batch = header_at + struct.unpack_from("<I", head, header_at)[0]
        length_at = _field(head, batch, 0)
        rows = struct.unpack_from("<q", head, length_at)[0] if length_at else 0
    if not 0 <= rows < _MOST:
        raise IndexError(rows)
    return kind, body, rows


def _field(buffer: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer table lies, 0 where it has none."""
    entries = table - struct.unpack_from("<i", buffer, table)[0]
    if entries < 0 or 4 + 2 * number + 2 > struct.unpack_from("<H", buffer, entries)[0]:
        return 0
    offset: int = struct.unpack_from("<H", buffer, entries + 4 + 2 * number)[0]
    return table + offset if offset else 0
