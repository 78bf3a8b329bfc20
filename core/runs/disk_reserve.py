"""A file that takes up some disk space from the start of a job, and is given up when the disk is full, so that the
cause of the job's end can always be written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

RESERVE_FILE = "reserve"
_BYTES = 256 * 1024


def keep_disk_reserve(folder: Path) -> None:
    """Write the reserve of `folder`. Where even that does not fit there is none, and the job starts without."""
    path = folder / RESERVE_FILE
    try:
        with open(path, "wb") as file:
            file.write(os.urandom(_BYTES))  # a file of zeros takes no space where the file system compresses
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        give_up_disk_reserve(folder)


def give_up_disk_reserve(folder: Path) -> bool:
    """Remove the reserve; whether there was one."""
    with contextlib.suppress(OSError):
        (folder / RESERVE_FILE).unlink()
        return True
    return False
