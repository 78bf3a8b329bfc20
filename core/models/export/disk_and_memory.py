"""Checks, before anything is written, that an export fits on the disk and into memory; measures what it took."""

from __future__ import annotations

import re
import resource
import shutil
import sys
from pathlib import Path

from core.base.errors import ModelError
from core.models.device_memory import available_bytes

STREAM_BYTES = 300 << 20
"""What the process needs beside two copies of the largest tensor, in bytes."""
_SLACK_BYTES = 64 << 20  # for the card, the tokenizer and the file system's own needs
_GIB = 1 << 30


def check_disk(folder: Path, needed: int) -> None:
    """Raise ModelError where the disk of `folder`, which may not exist yet, has less than `needed` bytes free."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed + _SLACK_BYTES:
        what = f"the export needs {(needed + _SLACK_BYTES) / _GIB:.1f} GiB, and {free / _GIB:.1f} GiB are free"
        raise ModelError(what, str(folder), "Free some space, or name another folder with --out")


def check_memory(largest: int) -> None:
    """Raise ModelError where less memory is free than writing needs. largest: bytes of the largest tensor."""
    needed, free = 2 * largest + STREAM_BYTES, available_bytes("cpu")
    if free < needed:
        what = f"the export needs {needed / _GIB:.1f} GiB of memory, and {free / _GIB:.1f} GiB are free"
        raise ModelError(what, "", "End other programs that use the memory, and start the export again")


def peak_memory() -> int:
    """The most memory that this process has had in use so far, in bytes."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:  # what follows may count the memory of the process that started this one
        return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
