"""Gives back the memory of rows that were read: a mapped file's pages would else count as this process's until the last
row. Knows Linux alone."""

from __future__ import annotations

import ctypes
import mmap
import sys
from functools import cache
from typing import Any

_PAGE_OUT = 21  # MADV_PAGEOUT: unlike MADV_DONTNEED it never loses what is not in a file


def release(batch: Any) -> None:
    """Hands the pages beneath an Arrow batch back to the system; what is read again comes from the file again. A hint:
    nothing where it cannot be."""
    advise = _advise()
    if advise is None:
        return
    for column in batch.columns:
        for buffer in column.buffers():
            if buffer is not None:
                first = -(-buffer.address // mmap.PAGESIZE) * mmap.PAGESIZE
                last = (buffer.address + buffer.size) // mmap.PAGESIZE * mmap.PAGESIZE
                if last > first:
                    advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _PAGE_OUT)


@cache
def _advise() -> Any:
    try:
        return ctypes.CDLL(None).madvise if sys.platform == "linux" else None
    except (OSError, AttributeError):
        return None
