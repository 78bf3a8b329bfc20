"""Which rows a bulk edit is about, as one JSON value: ranges while they are few, else the steps between them, packed.
Knows numbers only."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

RowList = list[tuple[int, int]] | str
"""[first, last] pairs, both included; or base64 of zlib of the differences of the rising indices as little-endian uint32, the first from 0."""

_RANGES = 200  # beyond which packing is shorter


def pack(indices: Sequence[int] | np.ndarray[Any, Any]) -> RowList:
    """`indices` must rise."""
    if len(indices) <= _RANGES:
        return _ranges([int(index) for index in indices])
    import numpy as np

    rising = np.asarray(indices, dtype=np.int64)
    steps = np.diff(rising, prepend=0)
    breaks = np.nonzero(steps[1:] != 1)[0] + 1
    if len(breaks) < _RANGES:
        firsts, lasts = np.concatenate([[0], breaks]), np.concatenate([breaks - 1, [len(rising) - 1]])
        return [(int(a), int(b)) for a, b in zip(rising[firsts], rising[lasts], strict=True)]
    return base64.b64encode(zlib.compress(steps.astype("<u4").tobytes(), 6)).decode()


def unpack(rows: RowList) -> Sequence[int]:
    """A list where they are few, else an array of int64. Raises ValueError where this was never packed here."""
    if isinstance(rows, str):
        import numpy as np

        try:
            steps = np.frombuffer(zlib.decompress(base64.b64decode(rows, validate=True)), dtype="<u4")
        except zlib.error as error:
            raise ValueError(f"a list of rows is damaged ({error})") from error
        return np.cumsum(steps, dtype=np.int64)  # type: ignore[return-value]
    if sum(last - first + 1 for first, last in rows) <= _RANGES:
        return [index for first, last in rows for index in range(first, last + 1)]
    import numpy as np

    return np.concatenate([np.arange(first, last + 1, dtype=np.int64) for first, last in rows])  # type: ignore[return-value]


def without(indices: Sequence[int], others: Sequence[int]) -> Sequence[int]:
    """`indices` less `others`; both rise."""
    if isinstance(indices, list):
        apart = set(others)
        return [index for index in indices if index not in apart]
    import numpy as np

    return np.setdiff1d(indices, np.asarray(others, dtype=np.int64), assume_unique=True)  # type: ignore[return-value]


def _ranges(indices: list[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for index in indices:
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], index)
        else:
            ranges.append((index, index))
    return ranges
