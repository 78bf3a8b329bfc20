"""The data sets opened last, newest first, in `<home>/recent.json`. Knows names alone; whether they are still there is
seen when one is opened."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import msgspec

from core.base import files, folders

KEPT = 30


class Recent(msgspec.Struct, frozen=True):
    """source: as `open_data` takes it, foreign text; rows: how many it had; when: seconds since 1970."""

    source: str
    split: str = ""
    rows: int = 0
    when: float = 0.0


def recent() -> list[Recent]:
    """A missing or unreadable list is empty."""
    return _read(_path())


def remember_recent(source: str, split: str, rows: int) -> None:
    """Put it first. Two terminals at once lose nothing of each other's. Raises OSError where it cannot be kept."""
    _change(source, split, [Recent(source, split, rows, time.time())])


def forget_recent(source: str, split: str) -> None:
    """Take it off the list; the data stay. Raises OSError where the list cannot be kept."""
    _change(source, split, [])


def _change(source: str, split: str, first: list[Recent]) -> None:
    path = _path()
    handle = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        others = [one for one in _read(path) if (one.source, one.split) != (source, split)]
        try:
            content = msgspec.json.encode([*first, *others][:KEPT])
        except UnicodeEncodeError:
            return  # a file name that is no UTF-8: JSON cannot hold it
        files.replace_file(path, content)
    finally:
        os.close(handle)


def _path() -> Path:
    return folders.home() / "recent.json"


def _read(path: Path) -> list[Recent]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Recent])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
