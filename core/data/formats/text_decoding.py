"""Opens files of text as streams of UTF-8: byte order marks, UTF-16, and other encodings where they are certain.

Knows nothing of rows. What a text is encoded in is judged by its beginning and by a few pieces of the rest.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from core.base.errors import DataError
from core.data.formats.compression import FileStream, open_stream
from core.data.formats.text_encoding import EncodingJudgement, judge_encoding
from core.data.problems import RowProblems

BLOCK = 4 << 20  # bytes read at once
LONGEST = 256 << 20  # bytes of one line; beyond that the file is not what its name says
_HEAD = 1 << 16  # bytes by which an encoding is judged first
_PIECES, _PIECE = 8, 1 << 14  # pieces of the rest, and bytes of each, where the beginning is only ASCII
_COMPRESSED_HEAD = 1 << 20  # bytes read instead of these pieces where the file is compressed
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # begins like the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


class ByteSource(Protocol):
    """A stream of bytes. `done` counts the bytes of the file that were read, before they are decompressed."""

    @property
    def done(self) -> int: ...

    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


class DecodedStream:
    """A stream whose first bytes, `pending`, were read to recognise its encoding; recoded where needed. Damage becomes
    a problem of the file at the end of the stream."""

    def __init__(
        self, stream: FileStream, pending: bytes, encoding: EncodingJudgement | None, problems: RowProblems | None
    ) -> None:
        self._stream, self._pending, self._problems = stream, pending, problems
        self.encoding = encoding.label if encoding is not None else ""
        """The name of the encoding that is recoded; empty for UTF-8."""
        self._recode: codecs.IncrementalDecoder | None = None
        if encoding is not None:
            self._recode = codecs.getincrementaldecoder(encoding.codec)(_damage_handler(encoding.codec))

    @property
    def is_plain(self) -> bool:
        """Whether the file itself has these bytes: neither compressed nor in another encoding."""
        return self._recode is None and type(self._stream) is FileStream

    @property
    def done(self) -> int:
        return self._stream.done

    def read(self, size: int = -1, /) -> bytes:
        while True:
            block = self._pending + self._stream.read(size if size < 0 else max(0, size - len(self._pending)))
            self._pending = b""
            ended = not block
            if 0 <= size < len(block):
                block, self._pending = block[:size], block[size:]
            if ended and self._stream.broken and self._problems is not None:
                self._problems.add(
                    0, f"{self._stream.broken}; the rest cannot be read", "Copy or compress the file again"
                )
                self._problems = None
            if self._recode is None:
                return block
            if (text := self._recode.decode(block, final=ended)) or ended:
                return text.encode("utf-8", "replace" if self.encoding.startswith("UTF") else "surrogateescape")

    def close(self) -> None:
        self._stream.close()


def _damage_handler(codec: str) -> str:
    """How a decoder passes on bytes that are no text: unchanged, so that the reader reports the row; UTF-16 has none
    that could be passed on."""
    return "replace" if codec.startswith("utf") else "surrogateescape"


def open_utf8(path: Path, problems: RowProblems | None = None) -> DecodedStream:
    """The file as a stream of UTF-8 without a byte order mark, decompressed where needed; other encodings are recoded
    where they are certain, with a note in `problems`.

    Other bytes are passed on unchanged, so that the reader can report the row. Incomplete compressed data end the
    stream and become a problem. Raises OSError.
    """
    stream = open_stream(path)
    try:
        head = stream.read(_HEAD)
        encoding = encoding_by_mark(head)
        if encoding is None and not head.startswith(codecs.BOM_UTF8):
            pieces = [head]
            if head.isascii() and len(head) == _HEAD:
                head, pieces = _sample(stream, path, head)
            encoding = judge_encoding(pieces)
        if problems is not None:
            problems.encoding = encoding.label if encoding is not None and not encoding.is_certain else ""
        if encoding is not None and not encoding.is_certain:
            encoding = None
        if encoding is not None and problems is not None:
            problems.note(f"read as {encoding.label}, in which it is written instead of UTF-8")
        return DecodedStream(stream, head.removeprefix(codecs.BOM_UTF8), encoding, problems)
    except BaseException:
        stream.close()
        raise


def encoding_by_mark(head: bytes) -> EncodingJudgement | None:
    """UTF-16 or UTF-32, by a byte order mark or by the zeros between ASCII characters; None for any other text. head:
    the beginning of a file."""
    for mark, codec, label in _MARKS:
        if head.startswith(mark):
            return EncodingJudgement(codec, label, True)
    start = head[:4096]
    nulls = [start[i::2].count(0) * 2 > len(start[i::2]) * 0.6 for i in (0, 1)]
    json = [start[i : i + 1] in (b"{", b"[") and start[1 - i : 2 - i] == b"\0" for i in (1, 0)]
    if len(start) > 3 and (nulls[0] != nulls[1] or json[0] != json[1]):
        name = "UTF-16BE" if nulls[0] or json[0] else "UTF-16LE"
        return EncodingJudgement(name.lower(), name, True)
    return None


def _sample(stream: FileStream, path: Path, head: bytes) -> tuple[bytes, list[bytes]]:
    """The bytes read from the stream so far, and pieces of its text; `head` is one of them."""
    if type(stream) is not FileStream:
        head += stream.read(_COMPRESSED_HEAD - len(head))
        return head, [head]
    size = path.stat().st_size
    pieces = [head]
    with path.open("rb", buffering=0) as file:
        for number in range(1, _PIECES + 1):
            pieces.append(os.pread(file.fileno(), _PIECE, max(len(head), size * number // _PIECES - _PIECE)))
    return head, pieces


def split_blocks(source: ByteSource, first: int = 1 << 16) -> Iterator[bytes]:
    """The stream in blocks of complete lines: a small one of about `first` bytes, to find the columns, then blocks of
    about `BLOCK` bytes; a longer line is one block."""
    pending: list[bytes] = []
    size, length = first, 0
    while block := source.read(size):
        size = BLOCK
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((*pending, block[:end]))
            pending, length, block = [], 0, block[end:]
        pending.append(block)
        length += len(block)
        if length > LONGEST:
            raise DataError(
                f"a line is longer than {LONGEST >> 20} MB", "", "Save it with one object a line, or as Parquet"
            )
    if rest := b"".join(pending):
        yield rest
