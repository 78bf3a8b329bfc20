"""Compressed bytes as a stream of what is in them. What comes before a break is given whole; the break is then said,
not raised. Knows no encoding.

gzip is read with zlib of the standard library, zstd with pyarrow, which is imported where such a file is met.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO

_PIECE = 1 << 16
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Stream:
    """A file's bytes. `done` counts those of the file itself, `broken` says why the stream ended before its end."""

    broken = ""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @property
    def done(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end. Raises OSError."""
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()


class _Unpacked(Stream):
    """`_some` gives a few bytes at least, none at the end; `read` gives as many as are asked for where there are so
    many."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._held = b""

    def _some(self, limit: int) -> bytes:
        raise NotImplementedError

    def read(self, size: int = -1, /) -> bytes:
        if self._held and 0 <= size <= len(self._held):
            block, self._held = self._held[:size], self._held[size:]
            return block
        pieces, length, self._held = [self._held], len(self._held), b""
        while size < 0 or length < size:
            piece = self._some(_PIECE if size < 0 else size - length)
            if not piece:
                break
            pieces.append(piece)
            length += len(piece)
        return b"".join(pieces)


class _Gunzip(_Unpacked):
    """Members one after the other; zeros behind the last are padding."""

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
                # without a block it gives what it held back when it had given as much as was asked for
                out = self._member.decompress(block, limit)
            except zlib.error as error:
                self.broken = (
                    f"the gzip data are damaged near byte {max(0, self.done - len(block))} of the file ({error})"
                )
                self._held = _up_to_break(before, block)
                return self._take(limit)
            self._rest = self._member.unconsumed_tail
            if out:
                return out
            if not block and not self._member.eof:
                self.broken = f"the gzip data end in the middle, at byte {self.done} of the file"
        return self._take(limit)

    def _take(self, limit: int) -> bytes:
        out, self._held = self._held[:limit], self._held[limit:]
        return out


def _up_to_break(member: Any, block: bytes) -> bytes:
    """What can be unpacked of a block before the damage in it: a call that meets it gives nothing, so that the calls
    become smaller towards it."""
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


class _Unzst(_Unpacked):
    """A read that meets a break raises and gives nothing, so that the last piece is read a second time, byte by
    byte."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._given = 0
        self._last = False
        self._open()

    def _open(self) -> None:
        import pyarrow as pa

        # a descriptor of its own: such a stream closes what it reads when it goes
        again = os.fdopen(os.dup(self._file.fileno()), "rb")
        again.seek(0)
        self._stream: Any = pa.CompressedInputStream(pa.PythonFile(again, "r"), "zstd")
        self._read = again

    def _some(self, limit: int) -> bytes:
        if self.broken:
            return b""
        try:
            block: bytes = self._stream.read(1 if self._last else min(limit, _PIECE))
        except OSError as error:
            if not self._last:
                self._last = True
                self._open()
                skip = self._given
                while skip:
                    skip -= len(self._stream.read(min(skip, _PIECE)))
                return self._some(limit)
            reason = str(error).strip().rstrip(".")
            self.broken = f"the zstd data break off or are damaged near byte {self.done} of the file ({reason})"
            return b""
        self._given += len(block)
        return block

    @property
    def done(self) -> int:
        return self._read.tell()

    def close(self) -> None:
        self._stream.close()
        super().close()


def open_stream(path: Path) -> Stream:
    """The bytes of `path`, unpacked where they begin as gzip or zstd do, whatever its name says. Raises OSError."""
    file: Any = path.open("rb")
    try:
        head = file.read(4)
        file.seek(0)
        if head.startswith(_GZIP):
            return _Gunzip(file)
        return _Unzst(file) if head == _ZSTD else Stream(file)
    except BaseException:
        file.close()
        raise
