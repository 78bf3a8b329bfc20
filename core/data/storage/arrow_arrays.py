"""Converts rows, lists and NumPy arrays to Arrow and back, without `pa.array()`.

That function imports pandas, which would take a quarter of a second at the first search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.base.row import FIELDS, Row

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def int64_array(values: np.ndarray[Any, Any]) -> pa.Array:
    """An int64 array of the integers `values`."""
    import numpy as np
    import pyarrow as pa

    data = pa.py_buffer(np.ascontiguousarray(values, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(values), [None, data])


def bool_array(mask: np.ndarray[Any, Any]) -> pa.Array:
    """A boolean array of `mask`, packed into bits."""
    import numpy as np
    import pyarrow as pa

    bits = pa.py_buffer(np.packbits(mask, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, bits])


def string_array(values: Sequence[str]) -> pa.Array:
    """A string array of `values`, which have no lone surrogates and together less than 2 GB."""
    import numpy as np
    import pyarrow as pa

    parts = [value.encode() for value in values]
    offsets = np.zeros(len(parts) + 1, dtype=np.int32)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return pa.StringArray.from_buffers(len(parts), pa.py_buffer(offsets), pa.py_buffer(b"".join(parts)))


def bool_values(array: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The values of a boolean array without nulls, shape (length,)."""
    import numpy as np

    bits = np.frombuffer(array.buffers()[1] or b"", dtype=np.uint8)
    return np.unpackbits(bits, count=array.offset + len(array), bitorder="little")[array.offset :].view(np.bool_)


def int_values(array: pa.Array) -> np.ndarray[Any, Any]:
    """The values of an integer array without nulls, shape (length,), without a copy."""
    import numpy as np

    dtype = np.dtype(str(array.type))
    return np.frombuffer(array.buffers()[1] or b"", dtype=dtype, count=array.offset + len(array))[array.offset :]


def row_batch(rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows as one batch: a string column for each of `FIELDS` and `row`, the index as int64."""
    import numpy as np
    import pyarrow as pa

    columns = [string_array([getattr(row, column) for row in rows]) for column in FIELDS]
    indices = np.fromiter((row.index for row in rows), np.int64, len(rows))
    return pa.record_batch([*columns, int64_array(indices)], names=[*FIELDS, "row"])
