"""Looks for reasoning markers in whole columns, so that only the batches that hold any are read row by row.

pyarrow is imported inside functions: it takes a tenth of a second, which would delay the first paint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from core.base.row import FIELDS
from core.data.columns.thinking import MARKER_PATTERN, MARKER_STARTS, may_have_markers


def arrays_have_markers(arrays: Sequence[Any], watched: Iterable[str]) -> bool:
    """Whether a text of the `watched` columns may have a reasoning marker. arrays: one for each of FIELDS."""
    return any(column_has_markers(arrays[FIELDS.index(column)]) for column in watched)


def column_has_markers(column: Any) -> bool:
    """Whether a text of an Arrow array may have a reasoning marker; False for an array of anything but texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if types.is_dictionary(column.type):
        column = column.dictionary
    if types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    if not (types.is_string(column.type) or types.is_large_string(column.type)):
        return False
    if pa.types.is_string(column.type) and not _holds_any_byte(column):
        return False
    return bool(pc.any(pc.match_substring_regex(column, MARKER_PATTERN)).as_py())


def _holds_any_byte(column: Any) -> bool:
    """Whether the texts of a string array hold any of the characters with which a marker may begin."""
    import numpy as np

    _, offset_buffer, data = column.buffers()
    if data is None or not len(column):
        return False
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    texts = bytes(memoryview(data)[offsets[0] : offsets[-1]])
    return any(character in texts for character in MARKER_STARTS)


def texts_have_markers(columns: Sequence[Iterable[str]], watched: Iterable[str]) -> bool:
    """The same for texts. columns: those of FIELDS."""
    return any(any(map(may_have_markers, columns[FIELDS.index(column)])) for column in watched)
