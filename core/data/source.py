"""From the name that the user typed to a `DataSet`: complete at once, or the first page now and the rest when it is
imported. Other rooms open data only through this module."""

from __future__ import annotations

from dataclasses import replace

from core.base.errors import DataError
from core.data.columns.mapping import ColumnMapping, load_mapping
from core.data.dataset import DataSet
from core.data.formats.early_rows import EarlyRows
from core.data.formats.row_collector import ProgressCallback, SourceFacts
from core.data.formats.table import format_named
from core.data.importing.import_child import import_in_child
from core.data.importing.import_source import (
    TooLargeForMemory,
    find_imported,
    naming_source,
    open_imported,
    read_into_memory,
)
from core.data.locate.source_files import SourceFiles, locate_source
from core.data.origin import SourceOrigin
from core.data.sidecar import sidecar_of
from core.data.source_version import source_key
from core.data.storage.row_store import RowPages

_COUNTING = 2.0  # seconds that counting may take
_SMALL = 2_000_000  # bytes of text that are parsed faster than pyarrow is imported
_ATTEMPTS = 3  # imports of a source that keeps changing


def open_data(
    source: str, split: str = "", progress: ProgressCallback | None = None, mapping: ColumnMapping | None = None
) -> DataSet:
    """The data set `source`, every row of it, with the user's edits. source: `demo`, a file, a folder, a pattern or a
    hub name.

    The first opening of a large source imports it in this process, calling `progress(done, total)` in bytes, rows or
    files now and then; later ones take no time. Without `split`, a source that has several gives `train`; without
    `mapping`, the one the user saved, else a guess. Raises DataError; single bad rows are in `problems` instead.
    """
    with naming_source(locate_source(source, split)) as found:
        chosen = _chosen(found, mapping)
        small = _small(found, source, chosen, progress)
        if small is not None:
            return _with_edits(small)
        return _with_edits(_dataset(found, source, chosen, *open_imported(found, chosen, progress)))


def open_early(source: str, split: str = "", mapping: ColumnMapping | None = None) -> DataSet:
    """The data set as soon as it can be shown. Where it is not `ready`, it has pages and a length, exact where
    `counted`; `complete` gives the rest.

    A hub name that is not in the cache is fetched first, which takes as long as the network does. Raises DataError.
    """
    with naming_source(locate_source(source, split)) as found:
        chosen = _chosen(found, mapping)
        small = _small(found, source, chosen, None)
        if small is not None:
            return _with_edits(small)
        if imported := find_imported(found, chosen):
            return _with_edits(_dataset(found, source, chosen, *imported))
        rows, facts = format_named(found.format).load().open_early(found.paths, found.where, chosen)
        if rows.counted and not len(rows):
            raise DataError("there are no rows in it", found.where, "Name a file with at least one row")
        origin = SourceOrigin(
            found, source_key(found.paths, found.format, chosen), chosen, ready=False, counted=rows.counted
        )
        return DataSet(found.name, source, found.split, rows, facts, origin)


def count_rows(dataset: DataSet) -> DataSet:
    """The data set with its exact length, where its rows can be counted in a second or two, without the import; for one
    that `begin` gave and that is not `counted`. Raises DataError."""
    origin = dataset.origin
    if origin is None or origin.counted or not isinstance(dataset.base, EarlyRows):
        return dataset
    with naming_source(origin.files):
        rows = dataset.base.count_longer(_COUNTING)
    if rows is dataset.base:
        return dataset
    return DataSet(
        dataset.name, dataset.source, dataset.split, rows, dataset.facts, replace(origin, counted=rows.counted)
    )


def finish_import(dataset: DataSet, progress: ProgressCallback | None = None) -> DataSet:
    """The ready data set of one that `begin` gave; one that is ready as it is. The import runs in a process of its own.

    `progress(done, total)` is called a few times a second; what it raises ends the import and is raised here. Raises
    DataError.
    """
    origin = dataset.origin
    if origin is None or origin.ready:
        return dataset
    with naming_source(origin.files) as found:
        for _ in range(_ATTEMPTS):
            if imported := find_imported(found, origin.mapping):
                return _with_edits(_dataset(found, dataset.source, origin.mapping, *imported))
            import_in_child(dataset.source, dataset.split, origin.mapping, found.where, progress)
        raise DataError("it changes while it is being read", found.where, "Try again when nothing writes to it")


def _chosen(found: SourceFiles, mapping: ColumnMapping | None) -> ColumnMapping | None:
    return mapping if mapping is not None else load_mapping(sidecar_of(found).mapping)


def _small(
    found: SourceFiles, source: str, mapping: ColumnMapping | None, progress: ProgressCallback | None
) -> DataSet | None:
    """A small text source, in memory; None for any other."""
    if not format_named(found.format).is_text or sum(path.stat().st_size for path in found.paths) > _SMALL:
        return None
    try:
        now = source_key(found.paths, found.format, mapping)  # before it is read, so that a change meanwhile shows
        return _dataset(found, source, mapping, *read_into_memory(found, mapping, progress), now)
    except TooLargeForMemory:
        return None


def _dataset(
    found: SourceFiles, source: str, mapping: ColumnMapping | None, rows: RowPages, facts: SourceFacts, now: str
) -> DataSet:
    return DataSet(found.name, source, found.split, rows, facts, SourceOrigin(found, now, mapping))


def _with_edits(dataset: DataSet) -> DataSet:
    """The data set with the user's edits."""
    if dataset.origin is None or not sidecar_of(dataset.origin.files).edits.exists():
        return dataset
    from core.data.editing.editor import with_edits  # not needed for a source that was never edited

    return with_edits(dataset)
