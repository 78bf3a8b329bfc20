"""Data sets made of rows, as held in memory or mapped in small batches, without a reader between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.base.row import COLUMNS
from core.data.columns.mapping import Mapping, Pick
from core.data.dataset import DataSet
from core.data.formats.record_intake import Facts
from core.data.locate.source_files import Found
from core.data.origin import Origin
from core.data.storage.memory_rows import HeldRows

Texts = tuple[str, str, str, str, str, str]


def made(
    rows: Sequence[Texts], mapped: bool, root: Path, columns: Sequence[str] = COLUMNS, key: str = "made", batch: int = 4
) -> DataSet:
    """The sidecar stands beside `root`, which need not exist."""
    facts = Facts(Mapping({column: Pick(column) for column in columns}), (), [], 0)
    origin = Origin(Found(root.name, str(root), (root,), "lines", root=root), key)
    if not mapped:
        held = HeldRows()
        held.put(list(zip(*rows, strict=True)) or [[]] * len(COLUMNS))
        return DataSet(root.name, str(root), "", held, facts, origin)
    import pyarrow as pa

    from core.data.storage.arrow_arrays import string_array
    from core.data.storage.mapped_rows import MappedRows

    parts = [rows[first : first + batch] for first in range(0, len(rows), batch)]
    batches = []
    for part in parts:
        arrays = [string_array(column) for column in zip(*part, strict=True)]
        batches.append(pa.record_batch(arrays, names=list(COLUMNS)))
    return DataSet(root.name, str(root), "", MappedRows(batches), facts, origin)
