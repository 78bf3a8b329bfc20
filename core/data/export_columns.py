"""Which columns a saved file has: the fields of rows, and the source's other columns, so that nothing is lost.

Where the source names its columns as Suiron does, the file has the same columns in the same order. Otherwise it has the
six, then the context that the source has, then the source's other columns.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from core.base.row import COLUMNS, CONTEXT, Row
from core.data.columns.guess import guess_mapping
from core.data.dataset import DataSet
from core.data.formats.written_rows import SIX_COLUMNS, WrittenColumn

_SAMPLE = 200  # rows by which a reader of the file would guess its columns


class ExportColumns(msgspec.Struct, frozen=True):
    """The columns of a saved file."""

    columns: tuple[WrittenColumn, ...]
    """Those that are written, in order."""
    not_written: dict[str, int]
    """Columns of the source that cannot be kept, since they hold bytes, with the number of rows that have a value."""


def export_columns(dataset: DataSet, first_rows: Iterable[Row]) -> ExportColumns:
    """The columns to write. first_rows: the first rows that are saved; at most 200 are read."""
    facts = dataset.facts
    taken = {pick.column for pick in facts.mapping.picks.values() if pick.column}
    names = [name for name in facts.names if name not in taken]
    not_kept = [name for name in names if name in facts.types and _holds_bytes(facts.types[name])]
    others = [name for name in names if name not in not_kept]
    not_written = {name: dataset.not_used.columns.get(name, 0) for name in not_kept}
    fields = tuple(column for column in (*COLUMNS, *CONTEXT) if column in dataset.columns or column in dataset.context)
    if _are_named_alike(dataset):
        order = {name: position for position, name in enumerate(facts.names)}
        same = [WrittenColumn(field, field) for field in fields]
        same += [_other(name, (), facts.types) for name in others]
        same.sort(key=lambda column: order.get(column.name, len(order)))
        if set(COLUMNS) <= set(fields) or _reads_back(same, fields, first_rows):
            return ExportColumns(tuple(same), not_written)
    context = tuple(WrittenColumn(column, column) for column in dataset.context)
    used = {column.name for column in (*SIX_COLUMNS, *context)}
    rest = tuple(_other(name, used, facts.types) for name in others)
    return ExportColumns((*SIX_COLUMNS, *context, *rest), not_written)


def _are_named_alike(dataset: DataSet) -> bool:
    """Whether each field is the source's column of the same name, as Suiron guesses it."""
    mapping = dataset.mapping
    return mapping.plain and not mapping.by_hand and all(mapping.source(name) in ("", name) for name in mapping.picks)


def _reads_back(columns: list[WrittenColumn], fields: tuple[str, ...], rows: Iterable[Row]) -> bool:
    """Whether a reader of a file with these columns would take each field from the column of the same name, and no
    other."""
    sample = []
    for row, _ in zip(rows, range(_SAMPLE), strict=False):
        sample.append({field: getattr(row, field) for field in fields})
    names = [column.name for column in columns]
    mapping = guess_mapping(names, sample)
    return mapping.plain and {name: pick.column for name, pick in mapping.picks.items() if pick.column} == {
        field: field for field in fields
    }


def _other(name: str, used: Iterable[str], types: dict[str, bytes]) -> WrittenColumn:
    """Another column of the source; it gives way to a field of the same name."""
    written = name
    while written in used:
        written += "_source"
    return WrittenColumn(written, source=name, type=types.get(name, b""))


def _holds_bytes(content: bytes) -> bool:
    from core.data.formats.typed_columns import holds_bytes, type_from_bytes

    return holds_bytes(type_from_bytes(content))
