"""Opens the rows of a run's specification, and records facts that identify the same rows later. Trains nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.data.locate.source_name import resolve_source_name
from core.data.source_record import source_record
from core.runs.spec import DataSection

if TYPE_CHECKING:
    from core.data.dataset import DataSet
    from core.data.formats.row_collector import ProgressCallback


def open_rows(data: DataSection, progress: ProgressCallback | None = None) -> DataSet:
    """The data set with the user's edits. Its columns are mapped as in `data.columns`; without that, as the user saved
    the mapping, or as guessed. Raises DataError."""
    from core.data.columns.mapping_words import mapping_from_words
    from core.data.source import open_data

    mapping = mapping_from_words(data.columns) if data.columns is not None else None
    return open_data(data.source, data.split, progress, mapping, data.names)


def data_section(dataset: DataSet) -> DataSection:
    """The specification of the open source: an address that any process finds, and the column mapping and the names of
    columns where the user chose them, so that they are the same wherever the source is opened again."""
    from core.data.columns.mapping_words import mapping_to_words

    mapping = dataset.origin.mapping if dataset.origin is not None else None
    names = dataset.origin.files.names if dataset.origin is not None else ()
    columns = mapping_to_words(mapping) if mapping is not None else None
    source = resolve_source_name(dataset.source).address
    return DataSection(source=source, split=dataset.split, columns=columns, names=names)


def data_facts(dataset: DataSet) -> dict[str, Any]:
    """The facts in a run's status that tell these rows from all others.

    data_columns: for each canonical column, the source's column and how it is read; data_revision: the commit of a hub
    data set, else empty; source: what of it is not used, left out or cannot be read; data_fingerprint: changes whenever
    a row might have changed; edits: edited rows by kind.
    """
    picks = ((column, pick) for column, pick in dataset.mapping.picks.items() if pick.column)
    return {
        "rows_in_source": len(dataset),
        "rows_unusable_in_source": dataset.problem_count,
        "rows_left_out_by_mark": dataset.not_used.left_out_count,
        "source": source_record(dataset),
        "data_fingerprint": dataset.fingerprint,
        "data_revision": dataset.revision,
        "data_split": dataset.split,
        "data_columns": {column: {"column": pick.column, "how": pick.how} for column, pick in picks},
        "data_columns_by_hand": dataset.mapping.by_hand,
        "edits": {
            "changed": dataset.changes.changed,
            "added": dataset.changes.added,
            "deleted": dataset.changes.deleted,
        },
    }
