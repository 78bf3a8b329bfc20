"""Cuts tensors into blocks of rows, and works on several blocks at once in a fixed amount of memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

BLOCK_WEIGHTS = 1 << 20  # of a block; 4 MB as float32, so that its copies stay in the processor's cache
MOST_WORKERS = 8

T = TypeVar("T")
R = TypeVar("R")


def row_blocks(shape: Sequence[int], multiple: int = 1) -> list[tuple[int, int]]:
    """The blocks (first row, row after the last) of a tensor; their sizes are multiples of `multiple`, besides the
    last. A vector is one block."""
    if len(shape) < 2:
        return [(0, shape[0] if shape else 1)]
    columns = max(1, math.prod(shape[1:]))
    step = max(1, BLOCK_WEIGHTS // columns // multiple) * multiple
    return [(start, min(start + step, shape[0])) for start in range(0, shape[0], step)]


def map_in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """`work` of each item, in their order; `workers` at a time, and no more results wait than that."""
    workers = max(1, min(workers, MOST_WORKERS))
    if workers == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(workers, "weights") as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
