"""Looks for reasoning markers in whole columns, so that only the batches that hold any are read row by row.

pyarrow is imported inside functions: it takes a tenth of a second, which would delay the first paint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from core.base.row import FIELDS
from core.data.columns.thinking import MARKER_PATTERN, may_have_markers


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
    return bool(pc.any(pc.match_substring_regex(column, MARKER_PATTERN)).as_py())


def texts_have_markers(columns: Sequence[Iterable[str]], watched: Iterable[str]) -> bool:
    """The same for texts. columns: those of FIELDS."""
    return any(any(map(may_have_markers, columns[FIELDS.index(column)])) for column in watched)
