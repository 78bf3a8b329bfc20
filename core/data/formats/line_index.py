"""An index of the lines of a large file: the count of line ends in each chunk. Knows no JSON.

Any line is found by reading its chunk. 640 MB are counted in a tenth of a second on two cores once they are in the page
cache. That needs numpy, whose import takes as long again, so the first counting does without it. The file is read,
never mapped: truncating a mapped file kills the process.
"""

from __future__ import annotations

import os
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

CHUNK = 1 << 18  # bytes; the size at which reading and counting are quickest, and cheap to read for one page
LONGEST = 16 << 20  # bytes of one line that are read for a page
_THREADS = 2


class LineIndex:
    """The lines of an open file of `size` bytes, counted for at most `seconds`.

    `counted`: whether the complete file was counted. Otherwise `lines` is the number found so far, and another index
    can continue from this one, as its `before`.
    """

    def __init__(self, descriptor: int, size: int, seconds: float, before: LineIndex | None = None) -> None:
        self._descriptor, self.size = descriptor, size
        chunks = -(-size // CHUNK)
        counts = array("i", bytes(4 * chunks)) if before is None else before._counts[:]
        starts: list[int] = list(range(_THREADS)) if before is None else before._seen
        count = _count_alone if before is None else _count_in_threads
        deadline = time.monotonic() + seconds
        # each thread counts every other chunk, so that the counted chunks have no gap when time is up
        with ThreadPoolExecutor(_THREADS) as pool:
            next_chunks = list(pool.map(lambda first: count(descriptor, counts, first, deadline), starts))
        self._counts: array[int] = counts
        self._seen: list[int] = next_chunks
        complete = min(next_chunks)
        self.counted = complete >= chunks
        self._ends = [0, *accumulate(counts[: min(complete, chunks)])]  # line ends before each chunk
        self.lines = self._ends[-1] + (self._tail() if self.counted else 0)

    def _tail(self) -> int:
        """1 where the last line has no line end, minus the blank lines at the end of the file."""
        tail = os.pread(self._descriptor, min(self.size, CHUNK), max(0, self.size - CHUNK))
        text = tail.rstrip(b"\r\n \t")
        if not text:
            return 0
        return 1 - (len(tail) > len(text)) * tail[len(text) :].count(b"\n")

    def read(self, line: int, limit: int) -> list[bytes]:
        """At most `limit` lines from `line` on, without their ends; a line longer than `LONGEST` is cut. Raises
        OSError."""
        lines: list[bytes] = []
        pending = b""
        for piece in self._pieces(self._start(line)):
            *complete, pending = (pending + piece).split(b"\n")
            lines += complete
            if len(lines) >= limit:
                return lines[:limit]
            if len(pending) > LONGEST:
                lines.append(pending)
                rest = limit - len(lines)
                return lines + (self.read(line + len(lines), rest) if rest and line + len(lines) < self.lines else [])
        return [*lines, pending]

    def _start(self, line: int) -> int:
        """The byte at which `line` begins: after the line end of that number."""
        if line == 0:
            return 0
        chunk = bisect_left(self._ends, line) - 1
        block = os.pread(self._descriptor, CHUNK, chunk * CHUNK)
        end = -1
        for _ in range(line - self._ends[chunk]):
            end = block.index(b"\n", end + 1)
        return chunk * CHUNK + end + 1

    def _pieces(self, offset: int) -> Iterator[bytes]:
        while piece := os.pread(self._descriptor, CHUNK, offset):
            offset += len(piece)
            yield piece


def _fill(descriptor: int, view: memoryview, offset: int) -> int:
    """Read up to the length of `view`, less only at the end of the file; returns the number of bytes."""
    size = 0
    while size < len(view) and (more := os.preadv(descriptor, [view[size:]], offset + size)):
        size += more
    return size


def _count_alone(descriptor: int, counts: array[int], first: int, deadline: float) -> int:
    """Count every `_THREADS`-th chunk from `first` on; returns the first of these chunks not counted in time."""
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    for chunk in range(first, len(counts), _THREADS):
        if chunk > first and time.monotonic() > deadline:
            return chunk
        counts[chunk] = buffer.count(b"\n", 0, _fill(descriptor, view, chunk * CHUNK))
    return len(counts)


def _count_in_threads(descriptor: int, counts: array[int], first: int, deadline: float) -> int:
    """Like `_count_alone`, while other threads count too: numpy releases the interpreter lock."""
    import numpy as np

    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    characters = np.frombuffer(buffer, dtype=np.uint8)
    is_end = np.empty(CHUNK, dtype=bool)
    for chunk in range(first, len(counts), _THREADS):
        if chunk > first and time.monotonic() > deadline:
            return chunk
        size = _fill(descriptor, view, chunk * CHUNK)
        np.equal(characters[:size], 10, out=is_end[:size])
        counts[chunk] = int(np.count_nonzero(is_end[:size]))
    return len(counts)
