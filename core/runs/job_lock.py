"""The lock of a job's folder: held by the process that works, for its life. The kernel drops it when the process ends,
even by `kill -9`, so it is the truth about whether the job is alive on this host.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path

import msgspec

from core.base.errors import RunError

LOCK_FILE = "lock"
_PATIENCE = 1.0  # seconds; a reader that looks at the lock has it for some microseconds


class JobLock:
    """The lock as its holder has it, from `take_job_lock` until `release` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)


def make_lock_file(folder: Path) -> None:
    """Create the lock of a new folder; nobody has it yet. Raises OSError."""
    os.close(os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600))


def take_job_lock(folder: Path) -> JobLock:
    """Take the lock of `folder` for this process. Raises RunError where another process works there, OSError where the
    file cannot be opened."""
    path = folder / LOCK_FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + _PATIENCE
    while not _took(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > end:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace").strip()
            os.close(descriptor)
            what = f"another process already works in this folder ({holder or 'it has not said which'})"
            raise RunError(what, folder.name, f"Watch it with `python -m core runs {folder.name} --follow`")
        time.sleep(0.01)
    words = msgspec.json.encode({"pid": os.getpid(), "host": socket.gethostname(), "since": round(time.time())})
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, words + b"\n", 0)
    except OSError:
        pass  # a full disk: the content is for people, the lock itself holds without it
    return JobLock(descriptor)


def lock_is_held(folder: Path) -> bool | None:
    """Whether a process has the lock of `folder`. None where there is no lock file (a folder of an earlier version) or
    it cannot be looked at."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except OSError:
        return None
    try:
        return not _took(descriptor, fcntl.LOCK_SH)
    except OSError:
        return None  # a file system without locks
    finally:
        os.close(descriptor)


def _took(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
