"""From what a person typed to a `DataSet`: whole at once, or the first page now and the rest when it is imported. The
one door of this room."""

from __future__ import annotations

from dataclasses import replace

from core.base.errors import DataError
from core.data.columns.mapping import Mapping, load_mapping
from core.data.dataset import DataSet
from core.data.formats.record_intake import Facts, Progress
from core.data.importing.import_child import import_in_child
from core.data.importing.import_source import TooLarge, imported, look, named, read_held
from core.data.locate.source_files import TEXT, Found, locate
from core.data.origin import Origin
from core.data.sidecar import sidecar
from core.data.source_version import key
from core.data.storage.row_store import Rows

_COUNTING = 2.0  # seconds that `count` may take
_SMALL = 2_000_000  # bytes of text that are parsed sooner than pyarrow is imported


def open_data(
    source: str, split: str = "", progress: Progress | None = None, mapping: Mapping | None = None
) -> DataSet:
    """The data set `source`, every row of it, with the person's edits: `demo`, a file, a folder, a pattern or a hub
    name with `split`.

    The first opening of a large source imports it in this process, calling `progress(done, total)` in bytes, rows or
    files now and then; later ones take no time. Without `split`, a source that has several gives `train`; without
    `mapping`, the one the person saved, else a guess. Raises DataError; single bad rows are in `problems` instead.
    """
    with named(locate(source, split)) as found:
        chosen = _chosen(found, mapping)
        small = _small(found, source, chosen, progress)
        return _edited(
            small if small is not None else _dataset(found, source, chosen, *imported(found, chosen, progress))
        )


def begin(source: str, split: str = "", mapping: Mapping | None = None) -> DataSet:
    """The same as fast as it can be shown. Where it is not `ready`, it has pages and a length, exact where `counted`;
    `complete` gives the whole.

    A hub name that is not in the cache is fetched, which takes as long as the network does.
    """
    with named(locate(source, split)) as found:
        chosen = _chosen(found, mapping)
        small = _small(found, source, chosen, None)
        if small is not None:
            return _edited(small)
        if known := look(found, chosen):
            return _edited(_dataset(found, source, chosen, *known))
        from core.data.importing.open_early import open_early

        rows, facts, counted = open_early(found, chosen)
        if counted and not len(rows):
            raise DataError("there are no rows in it", found.where, "Name a file with at least one row")
        origin = Origin(found, key(found.paths, found.format, chosen), chosen, ready=False, counted=counted)
        return DataSet(found.name, source, found.split, rows, facts, origin)


def count(dataset: DataSet) -> DataSet:
    """The same with its exact length, where that takes a second or two and not the whole import; for one that `begin`
    gave and is not `counted`."""
    origin = dataset.origin
    if origin is None or origin.counted:
        return dataset
    from core.data.formats.early_lines import EarlyLines

    if not isinstance(dataset.base, EarlyLines):
        return dataset
    with named(origin.found):
        rows = dataset.base.longer(_COUNTING)
    return DataSet(
        dataset.name, dataset.source, dataset.split, rows, dataset.facts, replace(origin, counted=rows.counted)
    )


def complete(dataset: DataSet, progress: Progress | None = None) -> DataSet:
    """The ready data set of one that `begin` gave; a ready one as it is. The import runs in a process of its own and
    takes as long as it does.

    `progress(done, total)` is called a few times a second; what it raises ends the import and comes out here.
    """
    origin = dataset.origin
    if origin is None or origin.ready:
        return dataset
    with named(origin.found) as found:
        for _ in range(3):
            if known := look(found, origin.mapping):
                return _edited(_dataset(found, dataset.source, origin.mapping, *known))
            import_in_child(dataset.source, dataset.split, origin.mapping, found.where, progress)
        raise DataError("it changes while it is read", found.where, "Try again when whatever writes it has ended")


def _chosen(found: Found, mapping: Mapping | None) -> Mapping | None:
    return mapping if mapping is not None else load_mapping(sidecar(found).mapping)


def _small(found: Found, source: str, mapping: Mapping | None, progress: Progress | None) -> DataSet | None:
    """A small text source, held in memory; None for any other."""
    if found.format not in TEXT or sum(path.stat().st_size for path in found.paths) > _SMALL:
        return None
    try:
        now = key(found.paths, found.format, mapping)  # before it is read: a change meanwhile then shows
        return _dataset(found, source, mapping, *read_held(found, mapping, progress), now)
    except TooLarge:
        return None


def _dataset(found: Found, source: str, mapping: Mapping | None, rows: Rows, facts: Facts, now: str) -> DataSet:
    return DataSet(found.name, source, found.split, rows, facts, Origin(found, now, mapping))


def _edited(dataset: DataSet) -> DataSet:
    """With what the person changed."""
    if dataset.origin is None or not sidecar(dataset.origin.found).edits.exists():
        return dataset
    from core.data.editing.editor import with_edits  # off the way of a source that was never edited

    return with_edits(dataset)
