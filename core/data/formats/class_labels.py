"""The names of class labels: `datasets` writes a label as a number, and its name into the schema beside it.

A code without its name would be a value that is nowhere in the source as a person sees it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_KEY = b"huggingface"
_INFO = "dataset_info.json"
_MAX_INFO = 16 << 20  # bytes of a description that are read


class ClassLabels:
    """The names of the labels in one file, by column; none where it has no labels."""

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        self._names = {column: list(labels) for column, labels in names.items()}

    def __bool__(self) -> bool:
        return bool(self._names)

    def name_codes(self, batch: Any) -> Any:
        """The record batch with names instead of codes, in the columns that have labels; a code without a name, such as
        -1 for none, becomes null."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for index, column in enumerate(batch.schema.names):
            labels = self._names.get(column)
            codes = batch.column(index)
            if labels is None or not pa.types.is_integer(codes.type):
                continue
            known = pc.and_(pc.greater_equal(codes, 0), pc.less(codes, len(labels)))
            indices = pc.if_else(known, codes, None).cast(pa.int64())
            batch = batch.set_column(index, column, pa.array(labels, pa.string()).take(indices))
        return batch

    def name_values(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """The rows, with values of `columns`, with names instead of codes."""
        labelled = [(index, self._names[column]) for index, column in enumerate(columns) if column in self._names]
        if not labelled:
            return rows
        named = [list(row) for row in rows]
        for row in named:
            for index, labels in labelled:
                if type(code := row[index]) is int:
                    row[index] = labels[code] if 0 <= code < len(labels) else None
        return named


def class_labels(metadata: Mapping[bytes, bytes] | None, path: Path) -> ClassLabels:
    """The labels that a file's schema describes, or else the description that `datasets` saved beside the file."""
    text = (metadata or {}).get(_KEY)
    if text is not None:
        info = _decoded(text).get("info")
        return ClassLabels(_labels(info if isinstance(info, dict) else {}))
    beside = path.with_name(_INFO)
    try:
        if beside.stat().st_size > _MAX_INFO:
            return ClassLabels({})
        return ClassLabels(_labels(_decoded(beside.read_bytes())))
    except OSError:  # most files have none
        return ClassLabels({})


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # a description that cannot be read describes nothing
        return {}
    return value if isinstance(value, dict) else {}


def _labels(info: dict[str, Any]) -> dict[str, list[str]]:
    features = info.get("features")
    found = {}
    for column, feature in features.items() if isinstance(features, dict) else ():
        names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
        if isinstance(names, list) and names:
            found[str(column)] = [str(name) for name in names]
    return found
