"""Lists and NumPy to Arrow without `pa.array()`, which would import pandas: a quarter of a second at the first
search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def numbers(values: np.ndarray[Any, Any]) -> pa.Array:
    """Whole numbers as int64."""
    import numpy as np
    import pyarrow as pa

    return pa.Array.from_buffers(
        pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, dtype=np.int64))]
    )


def flags(mask: np.ndarray[Any, Any]) -> pa.Array:
    """True and false as bits."""
    import numpy as np
    import pyarrow as pa

    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, pa.py_buffer(np.packbits(mask, bitorder="little"))])


def texts(values: Sequence[str]) -> pa.Array:
    """Texts without lone surrogates, together under 2 GB, as strings."""
    import numpy as np
    import pyarrow as pa

    parts = [value.encode() for value in values]
    offsets = np.zeros(len(parts) + 1, dtype=np.int32)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return pa.StringArray.from_buffers(len(parts), pa.py_buffer(offsets), pa.py_buffer(b"".join(parts)))


def as_mask(array: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The bits of a boolean array without nulls."""
    import numpy as np

    bits = np.frombuffer(array.buffers()[1] or b"", dtype=np.uint8)
    return np.unpackbits(bits, count=array.offset + len(array), bitorder="little")[array.offset :].view(np.bool_)


def as_numbers(array: pa.Array) -> np.ndarray[Any, Any]:
    """The numbers of an integer array without nulls, where they lie."""
    import numpy as np

    kind = np.dtype(str(array.type))
    return np.frombuffer(array.buffers()[1] or b"", dtype=kind, count=array.offset + len(array))[array.offset :]
