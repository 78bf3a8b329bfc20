"""Files that survive `kill -9` and a full disk: replaced atomically, or append-only with a torn last line skipped."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def private_dir(path: Path) -> Path:
    """The folder `path`. It and its parents are created where missing, readable by their owner only (0700). Raises
    OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, so that a reader sees either the old file or the complete new one, even after a crash
    or on a full disk. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def append_json(path: Path, value: Any) -> None:
    """Append one JSON object as a line, in a single write, so that concurrent readers see at most one torn last line.

    Where a killed writer or a full disk left a line without its newline, that line is ended first; otherwise this
    object would be lost with it. Raises OSError.
    """
    with open(path, "a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        is_torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
        line = (b"\n" if is_torn else b"") + _encode(value) + b"\n"
        if file.write(line) != len(line):  # a full disk may take a part of the line without an error
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def read_json_lines(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The JSON objects in `path` from byte `offset` on, and the offset to read on from, in bytes.

    A torn last line (no newline yet) is left for the next call; a line that is not a JSON object is skipped. A missing
    file has no objects. Raises OSError.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            block = file.read()
    except FileNotFoundError:
        return [], offset
    end = block.rfind(b"\n") + 1
    return list(_objects(block[:end])), offset + end


def _objects(block: bytes) -> Iterator[dict[str, Any]]:
    for line in block.split(b"\n"):
        try:
            value = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # the torn last line of a killed writer, followed by the lines of a later one
        if isinstance(value, dict):
            yield value
