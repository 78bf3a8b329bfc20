"""Gives the memory of rows that were read back to the system: otherwise the pages of a mapped file count as this
process's until the last row. Has an effect on Linux alone."""

from __future__ import annotations

import ctypes
import mmap
import sys
from functools import cache
from typing import Any

_PAGE_OUT = 21  # MADV_PAGEOUT: unlike MADV_DONTNEED it never loses what is not in a file


def release_batch_memory(batch: Any) -> None:
    """Hands the pages beneath an Arrow batch back to the system; what is read again comes from the file again. A hint
    to the kernel: where it cannot be given, nothing happens."""
    advise = _madvise()
    if advise is None:
        return
    for column in batch.columns:
        for buffer in column.buffers():
            if buffer is None:
                continue
            first = -(-buffer.address // mmap.PAGESIZE) * mmap.PAGESIZE
            last = (buffer.address + buffer.size) // mmap.PAGESIZE * mmap.PAGESIZE
            if last > first:
                advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _PAGE_OUT)


@cache
def _madvise() -> Any:
    try:
        return ctypes.CDLL(None).madvise if sys.platform == "linux" else None
    except (OSError, AttributeError):
        return None
