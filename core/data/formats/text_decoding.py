"""Reads bytes that should be UTF-8: byte order marks, UTF-16, and a guess of other encodings. Knows nothing of rows."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from core.base.errors import DataError
from core.data.formats.compression import FileStream, open_stream
from core.data.problems import RowProblems

BLOCK = 4 << 20  # bytes read at once
LONGEST = 256 << 20  # bytes of one line; beyond that the file is not what its name says
_HIGH = re.compile(rb"[\x80-\xff]+")


class ByteSource(Protocol):
    """A stream of bytes. `done` counts the bytes of the file that were read, before they are decompressed."""

    @property
    def done(self) -> int: ...

    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


class _DecodedStream:
    """A stream whose first bytes, `pending`, were read to recognise its encoding; recoded where needed. Damage becomes
    a problem of the file at the end of the stream."""

    def __init__(
        self, stream: FileStream, pending: bytes, recode: codecs.IncrementalDecoder | None, problems: RowProblems | None
    ) -> None:
        self._stream, self._pending, self._recode, self._problems = stream, pending, recode, problems

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
                return text.encode("utf-8", "replace")

    def close(self) -> None:
        self._stream.close()


def open_utf8(path: Path, problems: RowProblems | None = None) -> ByteSource:
    """The file as a stream of UTF-8 without a byte order mark, decompressed where needed; UTF-16 with a byte order mark
    is recoded.

    Other bytes are passed on unchanged, so that the reader can report the row. Incomplete compressed data end the
    stream and become a problem. Raises OSError, and DataError for UTF-16 without a mark and for UTF-32.
    """
    stream = open_stream(path)
    try:
        head = stream.read(4096)
        if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            raise DataError("the file is UTF-32", str(path), "Convert it: iconv -f UTF-32 -t UTF-8 OLD > NEW")
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return _DecodedStream(stream, head, codecs.getincrementaldecoder("utf-16")("replace"), problems)
        nulls = [head[i::2].count(0) * 2 > len(head[i::2]) * 0.6 for i in (0, 1)]
        if len(head) > 3 and nulls[0] != nulls[1]:
            name = "UTF-16BE" if nulls[0] else "UTF-16LE"
            raise DataError(
                f"the file looks like {name} without a byte order mark",
                str(path),
                f"Convert it: iconv -f {name} -t UTF-8 OLD > NEW",
            )
        return _DecodedStream(stream, head.removeprefix(codecs.BOM_UTF8), None, problems)
    except BaseException:
        stream.close()
        raise


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
                f"a line is longer than {LONGEST >> 20} MB", "", "Is it a JSON array? Then its name should end in .json"
            )
    if rest := b"".join(pending):
        yield rest


def guess_encoding(block: bytes) -> str:
    """The likely encoding (a name iconv knows) of bytes that are not UTF-8, or "" where none fits.

    Judged by the decoded text: kana for the Japanese encodings, common Chinese characters for GB18030, single accented
    letters for Western encodings.
    """
    block = block[: 1 << 16]
    runs = _HIGH.findall(block)
    if runs and max(map(len, runs)) == 1:
        return "CP1252"
    best, name = 0.5, ""
    for encoding, label in (
        ("cp932", "CP932"),
        ("euc_jp", "EUC-JP"),
        ("gb18030", "GB18030"),
        ("euc_kr", "EUC-KR"),
        ("big5", "BIG5"),
    ):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(block)
        except UnicodeDecodeError:
            continue
        score = _plausible([char for char in text if ord(char) > 127], encoding)
        if score > best + 0.02:  # the order above decides near ties
            best, name = score, label
    return name


def _plausible(chars: list[str], encoding: str) -> float:
    """The share of `chars` that are usual in a text with this encoding; 0 where there is no sign of its language."""
    if not chars:
        return 0.0
    kana = sum("\u3040" <= char <= "\u30ff" for char in chars) / len(chars)
    if encoding in ("cp932", "euc_jp"):
        half_width = sum("\uff61" <= char <= "\uff9f" for char in chars) / len(chars)
        return 1.0 - half_width if kana > 0.1 else 0.0
    if encoding == "gb18030":
        return sum(_is_in(char, "gb2312") for char in chars) / len(chars) - kana
    if encoding == "euc_kr":
        return sum("\uac00" <= char <= "\ud7a3" for char in chars) / len(chars)
    return sum(_is_in(char, "big5") and "\u4e00" <= char <= "\u9fff" for char in chars) / len(chars) - 0.3


def _is_in(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def explain_encoding(line: bytes, start: int) -> tuple[str, str]:
    """The fault of a line whose byte `start` (from 0) is not UTF-8, and the advice for the user."""
    name = guess_encoding(line)
    what = f"not UTF-8: byte {start + 1} of the line is 0x{line[start]:02X}"
    if name:
        what += f", it looks like {name}"
    return what, f"Convert the file: iconv -f {name or 'ITS-ENCODING'} -t UTF-8 OLD > NEW"
