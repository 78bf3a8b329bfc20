"""The list of recently opened data sets, newest first, in `<home>/recent.json`. Does not check whether they exist."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import msgspec

from core.base import files, folders

MAX_KEPT = 30  # sources; older ones are forgotten


class RecentSource(msgspec.Struct, frozen=True):
    """A source that was opened."""

    source: str
    """Its name, as for `open_data`; foreign text."""
    split: str = ""
    """The split that was opened; empty where none was requested."""
    rows: int = 0
    """How many rows it had."""
    when: float = 0.0
    """When it was opened, in seconds since 1970."""


def recent_sources() -> list[RecentSource]:
    """The sources opened last, newest first; none where the list is missing or unreadable."""
    return _read(_path())


def remember_recent(source: str, split: str, rows: int) -> None:
    """Put a source first. Two terminals at the same time do not overwrite each other. Raises OSError where the list
    cannot be written."""
    _change(source, split, [RecentSource(source, split, rows, time.time())])


def forget_recent(source: str, split: str) -> None:
    """Remove a source from the list; the data stay. Raises OSError where the list cannot be written."""
    _change(source, split, [])


def _change(source: str, split: str, first: list[RecentSource]) -> None:
    path = _path()
    handle = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        others = [known for known in _read(path) if (known.source, known.split) != (source, split)]
        try:
            content = msgspec.json.encode([*first, *others][:MAX_KEPT])
        except UnicodeEncodeError:
            return  # a file name that is not UTF-8, which JSON cannot represent
        files.replace_file(path, content)
    finally:
        os.close(handle)


def _path() -> Path:
    return folders.home() / "recent.json"


def _read(path: Path) -> list[RecentSource]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[RecentSource])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
