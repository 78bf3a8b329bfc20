"""Names instead of numbers in columns of classes, whose names `datasets` keeps beside the data.

They are in the metadata of Parquet and Arrow files, or in a `dataset_info.json` in the same folder. A number without a
name stays; -1 means that there is no label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

METADATA_KEY = b"huggingface"
"""The key of the features in a file's metadata."""
_LISTS = ("Sequence", "List", "LargeList")
_LARGEST_INFO = 4 << 20  # bytes of a dataset_info.json that is read


def class_names(metadata: Mapping[bytes, bytes] | None, path: Path) -> dict[str, tuple[str, ...]]:
    """The names of the classes, in the order of their numbers, by column. metadata: of the schema of the file `path`;
    where it has no features, those in the file's folder count."""
    if metadata and METADATA_KEY in metadata:
        return _names_in(_parsed(metadata[METADATA_KEY]).get("info"))
    info = path.parent / "dataset_info.json"
    try:
        content = info.read_bytes() if info.stat().st_size <= _LARGEST_INFO else b""
    except OSError:  # most folders have none
        return {}
    return _names_in(_parsed(content))


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _names_in(info: Any) -> dict[str, tuple[str, ...]]:
    features = info.get("features") if isinstance(info, dict) else None
    if not isinstance(features, dict):
        return {}
    found = {name: _class_names(feature) for name, feature in features.items()}
    return {name: names for name, names in found.items() if names}


def _class_names(feature: Any) -> tuple[str, ...]:
    """The names of a feature that is a class or a list of classes; none for any other."""
    if isinstance(feature, list) and len(feature) == 1:
        return _class_names(feature[0])
    if not isinstance(feature, dict):
        return ()
    if feature.get("_type") in _LISTS:
        return _class_names(feature.get("feature"))
    names = feature.get("names")
    if feature.get("_type") != "ClassLabel" or not isinstance(names, list):
        return ()
    return tuple(map(str, names))


def named_value(value: Any, names: Sequence[str]) -> Any:
    """The name of a class's number, or the names of a list of them; anything else unchanged."""
    if isinstance(value, list):
        return [named_value(item, names) for item in value]
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if value == -1:
        return None
    return names[value] if 0 <= value < len(names) else value


def with_class_names(batch: Any, names: Mapping[str, Sequence[str]]) -> Any:
    """A record batch whose columns of classes have names instead of numbers."""
    import pyarrow as pa

    for index, field in enumerate(batch.schema):
        labels = names.get(field.name)
        nested = pa.types.is_list(field.type) or pa.types.is_large_list(field.type)
        if not labels or not pa.types.is_integer(field.type.value_type if nested else field.type):
            continue
        values = [named_value(value, labels) for value in batch.column(index).to_pylist()]
        texts = [[_text(item) for item in value] if isinstance(value, list) else _text(value) for value in values]
        column = pa.array(texts, pa.list_(pa.string()) if nested else pa.string())
        batch = batch.set_column(index, pa.field(field.name, column.type), column)
    return batch


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
