"""Data sets made of rows, as held in memory or mapped in small batches, without a reader between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.base.row import COLUMNS
from core.data.columns.mapping import ColumnMapping, ColumnPick
from core.data.dataset import DataSet
from core.data.extra_columns import STORED_COLUMNS
from core.data.formats.row_collector import SourceFacts
from core.data.locate.source_files import SourceFiles
from core.data.origin import SourceOrigin
from core.data.storage.memory_rows import MemoryRows

Texts = tuple[str, str, str, str, str, str]


def made(
    rows: Sequence[Texts], mapped: bool, root: Path, columns: Sequence[str] = COLUMNS, key: str = "made", batch: int = 4
) -> DataSet:
    """The sidecar stands beside `root`, which need not exist."""
    facts = SourceFacts(ColumnMapping({column: ColumnPick(column) for column in columns}), (), [], 0)
    origin = SourceOrigin(SourceFiles(root.name, str(root), (root,), "lines", root=root), key)
    if not mapped:
        held = MemoryRows()
        texts = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
        held.put([*texts, *[[""] * len(rows)] * (len(STORED_COLUMNS) - len(COLUMNS))])
        return DataSet(root.name, str(root), "", held, facts, origin)
    import pyarrow as pa

    from core.data.storage.arrow_arrays import string_array
    from core.data.storage.arrow_rows import ArrowRows

    parts = [rows[first : first + batch] for first in range(0, len(rows), batch)]
    batches = []
    for part in parts:
        arrays = [string_array(column) for column in zip(*part, strict=True)]
        arrays += [string_array([""] * len(part))] * (len(STORED_COLUMNS) - len(COLUMNS))
        batches.append(pa.record_batch(arrays, names=list(STORED_COLUMNS)))
    return DataSet(root.name, str(root), "", ArrowRows(batches), facts, origin)
