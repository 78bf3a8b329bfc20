"""The rows of a bulk edit as one JSON value: a few ranges, else packed differences of indices. Knows only numbers."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

RowList = list[tuple[int, int]] | str
"""[first, last] pairs, both included; or base64 of zlib of the differences between the ascending indices as
little-endian uint32, the first from 0."""

_RANGES = 200  # up to which ranges are shorter than packed differences


def pack_rows(indices: Sequence[int] | np.ndarray[Any, Any]) -> RowList:
    """The row list of `indices`, which must be ascending."""
    if len(indices) <= _RANGES:
        return _ranges([int(index) for index in indices])
    import numpy as np

    rising = np.asarray(indices, dtype=np.int64)
    steps = np.diff(rising, prepend=0)
    breaks = np.nonzero(steps[1:] != 1)[0] + 1
    if len(breaks) < _RANGES:
        firsts = rising[np.concatenate([[0], breaks])]
        lasts = rising[np.concatenate([breaks - 1, [len(rising) - 1]])]
        return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]
    return base64.b64encode(zlib.compress(steps.astype("<u4").tobytes(), 6)).decode()


def unpack_rows(rows: RowList) -> Sequence[int]:
    """The ascending indices: a list if there are few, else an int64 array. Raises ValueError if `rows` is damaged."""
    if isinstance(rows, str):
        import numpy as np

        try:
            steps = np.frombuffer(zlib.decompress(base64.b64decode(rows, validate=True)), dtype="<u4")
        except zlib.error as error:
            raise ValueError(f"the list of rows is damaged ({error})") from error
        return np.cumsum(steps, dtype=np.int64)  # type: ignore[return-value]
    count = sum(last - first + 1 for first, last in rows)
    if count <= _RANGES:
        return [index for first, last in rows for index in range(first, last + 1)]
    import numpy as np

    return np.concatenate([np.arange(first, last + 1, dtype=np.int64) for first, last in rows])  # type: ignore[return-value]


def rows_without(indices: Sequence[int], others: Sequence[int]) -> Sequence[int]:
    """`indices` without `others`; both are ascending."""
    if isinstance(indices, list):
        excluded = set(others)
        return [index for index in indices if index not in excluded]
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
