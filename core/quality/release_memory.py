"""Returns the memory of rows that were read to the system, on Linux.

Otherwise the pages of a mapped file count as memory of this process until the last row.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from functools import cache
from typing import Any

_PAGE_OUT = 21  # MADV_PAGEOUT; unlike MADV_DONTNEED it never loses memory that is not in a file


def release_batch_memory(batch: Any) -> None:
    """Returns the memory pages of an Arrow batch to the system; reading them again reads the file. Only a hint to the
    kernel, without effect on other systems."""
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
