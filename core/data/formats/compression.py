"""Reads and writes gzip and zstd files as streams. Knows no encoding of text.

All bytes before damage are read; the damage is then reported, not raised. gzip is read with zlib of the standard
library, zstd with pyarrow, which is imported only for such a file.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

_PIECE = 1 << 16
_GZIP_MAGIC, _ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class FileStream:
    """A file's bytes, not decompressed."""

    broken = ""
    """Why the stream ended before the end of its data; empty where it did not."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @property
    def done(self) -> int:
        """Bytes of the file itself that were read."""
        return self._file.tell()

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end. Raises OSError."""
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()


class _Decompressed(FileStream):
    """The decompressed bytes. A subclass returns some bytes at a time; `read` returns the requested number where there
    are so many."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._pending = b""

    def _some(self, limit: int) -> bytes:
        """At least one and at most `limit` bytes; none at the end."""
        raise NotImplementedError

    def read(self, size: int = -1, /) -> bytes:
        if self._pending and 0 <= size <= len(self._pending):
            block, self._pending = self._pending[:size], self._pending[size:]
            return block
        pieces, length, self._pending = [self._pending], len(self._pending), b""
        while size < 0 or length < size:
            piece = self._some(_PIECE if size < 0 else size - length)
            if not piece:
                break
            pieces.append(piece)
            length += len(piece)
        return b"".join(pieces)


class _Gzip(_Decompressed):
    """gzip: one or more members; zeros after the last are padding."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._member = zlib.decompressobj(31)
        self._rest = b""
        self._within = False

    def _some(self, limit: int) -> bytes:
        while not self.broken:
            if self._member.eof:
                self._rest = self._member.unused_data
                self._member, self._within = zlib.decompressobj(31), False
            block = self._rest or self._file.read(_PIECE)
            if not self._within:
                block = block.lstrip(b"\0")
                if not block and not self._rest:
                    return b""
                self._rest, self._within = b"", bool(block)
                if not block:
                    continue
            before = self._member.copy()
            try:
                # with an empty block it returns bytes that it kept back because of `limit`
                out = self._member.decompress(block, limit)
            except zlib.error as error:
                self.broken = (
                    f"the gzip data are damaged near byte {max(0, self.done - len(block))} of the file ({error})"
                )
                self._pending = _up_to_break(before, block)
                return self._take_pending(limit)
            self._rest = self._member.unconsumed_tail
            if out:
                return out
            if not block and not self._member.eof:
                self.broken = f"the gzip data end in the middle, at byte {self.done} of the file"
        return self._take_pending(limit)

    def _take_pending(self, limit: int) -> bytes:
        out, self._pending = self._pending[:limit], self._pending[limit:]
        return out


def _up_to_break(member: Any, block: bytes) -> bytes:
    """The bytes that can be decompressed from a block before the damage in it. A call that reaches the damage returns
    nothing, so the calls get smaller."""
    pieces: list[bytes] = []
    for limit in (1 << 12, 1 << 6, 1):
        while True:
            before = member.copy()
            try:
                piece = member.decompress(block, limit)
            except zlib.error:
                member = before
                break
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            block = member.unconsumed_tail
    return b"".join(pieces)


class _Zstd(_Decompressed):
    """zstd. A read that reaches damage raises and returns nothing, so the last piece is read again byte by byte."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._read_bytes = 0
        self._bytewise = False
        self._open()

    def _open(self) -> None:
        import pyarrow as pa

        # a separate descriptor, since the stream closes its file when it is deleted
        raw = os.fdopen(os.dup(self._file.fileno()), "rb")
        raw.seek(0)
        self._stream: Any = pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")
        self._raw = raw

    def _some(self, limit: int) -> bytes:
        if self.broken:
            return b""
        try:
            block: bytes = self._stream.read(1 if self._bytewise else min(limit, _PIECE))
        except OSError as error:
            if not self._bytewise:
                self._bytewise = True
                self._open()
                skip = self._read_bytes
                while skip:
                    skip -= len(self._stream.read(min(skip, _PIECE)))
                return self._some(limit)
            reason = str(error).strip().rstrip(".")
            self.broken = f"the zstd data break off or are damaged near byte {self.done} of the file ({reason})"
            return b""
        self._read_bytes += len(block)
        return block

    @property
    def done(self) -> int:
        return self._raw.tell()

    def close(self) -> None:
        self._stream.close()
        super().close()


def open_stream(path: Path) -> FileStream:
    """The bytes of `path`, decompressed where they begin like gzip or zstd; the name is ignored. Raises OSError."""
    file: Any = path.open("rb")
    try:
        head = file.read(4)
        file.seek(0)
        if head.startswith(_GZIP_MAGIC):
            return _Gzip(file)
        return _Zstd(file) if head == _ZSTD_MAGIC else FileStream(file)
    except BaseException:
        file.close()
        raise


@contextmanager
def compressed_stream(file: BinaryIO, compression: str) -> Iterator[Any]:
    """A stream that writes to `file`, compressed by `gzip` or `zstd`; `file` itself where `compression` is empty.
    Closes `file`."""
    if not compression:
        yield file
        return
    import pyarrow as pa

    with pa.CompressedOutputStream(pa.PythonFile(file, "w"), compression) as stream:
        yield stream
