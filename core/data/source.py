"""From the name that the user typed to a `DataSet`: complete at once, or the first page now and the rest when it is
imported. Other rooms open data only through this module."""

from __future__ import annotations

from dataclasses import replace

from core.base.errors import DataError
from core.data.columns.mapping import Mapping, load_mapping
from core.data.dataset import DataSet
from core.data.formats.early_rows import EarlyRows
from core.data.formats.record_intake import Facts, Progress
from core.data.formats.table import format_named
from core.data.importing.import_child import import_in_child
from core.data.importing.import_source import (
    TooLarge,
    find_imported,
    named,
    open_imported,
    read_into_memory,
)
from core.data.locate.source_files import Found, locate
from core.data.origin import Origin
from core.data.sidecar import sidecar
from core.data.source_version import key
from core.data.storage.row_store import Rows

_COUNTING = 2.0  # seconds that counting may take
_SMALL = 2_000_000  # bytes of text that are parsed faster than pyarrow is imported
_ATTEMPTS = 3  # imports of a source that keeps changing


def open_data(
    source: str, split: str = "", progress: Progress | None = None, mapping: Mapping | None = None
) -> DataSet:
    """The data set `source`, every row of it, with the user's edits. source: `demo`, a file, a folder, a pattern or a
    hub name.

    The first opening of a large source imports it in this process, calling `progress(done, total)` in bytes, rows or
    files now and then; later ones take no time. Without `split`, a source that has several gives `train`; without
    `mapping`, the one the user saved, else a guess. Raises DataError; single bad rows are in `problems` instead.
    """
    with named(locate(source, split)) as found:
        chosen = _chosen(found, mapping)
        small = _small(found, source, chosen, progress)
        if small is not None:
            return _with_edits(small)
        return _with_edits(_dataset(found, source, chosen, *open_imported(found, chosen, progress)))


def begin(source: str, split: str = "", mapping: Mapping | None = None) -> DataSet:
    """The data set as soon as it can be shown. Where it is not `ready`, it has pages and a length, exact where
    `counted`; `complete` gives the rest.

    A hub name that is not in the cache is fetched first, which takes as long as the network does. Raises DataError.
    """
    with named(locate(source, split)) as found:
        chosen = _chosen(found, mapping)
        small = _small(found, source, chosen, None)
        if small is not None:
            return _with_edits(small)
        if imported := find_imported(found, chosen):
            return _with_edits(_dataset(found, source, chosen, *imported))
        rows, facts = format_named(found.format).load().open_early(found.paths, found.where, chosen)
        if rows.counted and not len(rows):
            raise DataError("there are no rows in it", found.where, "Name a file with at least one row")
        origin = Origin(found, key(found.paths, found.format, chosen), chosen, ready=False, counted=rows.counted)
        return DataSet(found.name, source, found.split, rows, facts, origin)


def count(dataset: DataSet) -> DataSet:
    """The data set with its exact length, where its rows can be counted in a second or two, without the import; for one
    that `begin` gave and that is not `counted`. Raises DataError."""
    origin = dataset.origin
    if origin is None or origin.counted or not isinstance(dataset.base, EarlyRows):
        return dataset
    with named(origin.found):
        rows = dataset.base.count_longer(_COUNTING)
    if rows is dataset.base:
        return dataset
    return DataSet(
        dataset.name, dataset.source, dataset.split, rows, dataset.facts, replace(origin, counted=rows.counted)
    )


def complete(dataset: DataSet, progress: Progress | None = None) -> DataSet:
    """The ready data set of one that `begin` gave; one that is ready as it is. The import runs in a process of its own.

    `progress(done, total)` is called a few times a second; what it raises ends the import and is raised here. Raises
    DataError.
    """
    origin = dataset.origin
    if origin is None or origin.ready:
        return dataset
    with named(origin.found) as found:
        for _ in range(_ATTEMPTS):
            if imported := find_imported(found, origin.mapping):
                return _with_edits(_dataset(found, dataset.source, origin.mapping, *imported))
            import_in_child(dataset.source, dataset.split, origin.mapping, found.where, progress)
        raise DataError("it changes while it is being read", found.where, "Try again when nothing writes to it")


def _chosen(found: Found, mapping: Mapping | None) -> Mapping | None:
    return mapping if mapping is not None else load_mapping(sidecar(found).mapping)


def _small(found: Found, source: str, mapping: Mapping | None, progress: Progress | None) -> DataSet | None:
    """A small text source, in memory; None for any other."""
    if not format_named(found.format).is_text or sum(path.stat().st_size for path in found.paths) > _SMALL:
        return None
    try:
        now = key(found.paths, found.format, mapping)  # before it is read, so that a change meanwhile shows
        return _dataset(found, source, mapping, *read_into_memory(found, mapping, progress), now)
    except TooLarge:
        return None


def _dataset(found: Found, source: str, mapping: Mapping | None, rows: Rows, facts: Facts, now: str) -> DataSet:
    return DataSet(found.name, source, found.split, rows, facts, Origin(found, now, mapping))


def _with_edits(dataset: DataSet) -> DataSet:
    """The data set with the user's edits."""
    if dataset.origin is None or not sidecar(dataset.origin.found).edits.exists():
        return dataset
    from core.data.editing.editor import with_edits  # not needed for a source that was never edited

    return with_edits(dataset)
