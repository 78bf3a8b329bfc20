"""Opens a `DataSet` by the name that the user typed. Other rooms open data only through this module.

A data set is complete at once, or has the first page now and the rest once it is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from core.base.errors import DataError
from core.data.column_names_file import with_names
from core.data.columns.mapping import ColumnMapping, load_mapping
from core.data.dataset import DataSet
from core.data.formats.early_rows import EarlyRows
from core.data.formats.registry import format_named
from core.data.formats.row_collector import ProgressCallback, SourceFacts
from core.data.importing.import_source import (
    TooLargeForMemory,
    add_faults,
    find_imported,
    naming_source,
    open_imported,
    read_into_memory,
    reader_of,
)
from core.data.locate.source_files import SourceFiles, locate_source
from core.data.origin import SourceOrigin
from core.data.problems import RowProblems
from core.data.sidecar import sidecar_of
from core.data.source_version import source_key
from core.data.storage.row_store import RowPages

_COUNTING = 2.0  # seconds that counting may take
_SMALL = 2_000_000  # bytes of text; parsing them is faster than importing pyarrow
_ATTEMPTS = 3  # imports of a source that keeps changing


def open_data(
    source: str,
    split: str = "",
    progress: ProgressCallback | None = None,
    mapping: ColumnMapping | None = None,
    names: Sequence[str] = (),
) -> DataSet:
    """The data set `source` with all rows and the user's edits. source: `demo`, a file, a folder, a pattern or a hub
    name.

    A large source is imported in this process when it is first opened, with calls of `progress(done, total)` in bytes,
    rows or files; later it opens at once. Without `split`, a source with several opens `train`. Without `mapping`, the
    saved one is used, else a guess. names: of the columns of a table without a header; without them, those that were
    saved. Raises DataError; single bad rows are in `problems` instead.
    """
    with naming_source(with_names(locate_source(source, split), names)) as located:
        chosen = _chosen_mapping(located, mapping)
        small = _open_small(located, source, chosen, progress)
        if small is not None:
            return _with_edits(small)
        return _with_edits(_dataset(located, source, chosen, *open_imported(located, chosen, progress)))


def open_early(source: str, split: str = "", mapping: ColumnMapping | None = None) -> DataSet:
    """The data set as soon as it can be shown. Where it is not `ready`, it has pages and a length, exact where
    `counted`; `finish_import` completes it.

    A hub name that is not in the cache is fetched first, which takes as long as the network does. Raises DataError.
    """
    with naming_source(with_names(locate_source(source, split))) as located:
        chosen = _chosen_mapping(located, mapping)
        small = _open_small(located, source, chosen, None)
        if small is not None:
            return _with_edits(small)
        if imported := find_imported(located, chosen):
            return _with_edits(_dataset(located, source, chosen, *imported))
        rows, facts = reader_of(located).open_early(located.paths, located.where, chosen)
        facts = _with_faults(located, facts)
        if rows.counted and not len(rows):
            raise DataError("there are no rows in it", located.where, "Name a file with at least one row")
        key = source_key(located.paths, located.format, chosen, located.names)
        origin = SourceOrigin(located, key, chosen, ready=False, counted=rows.counted)
        return DataSet(located.name, source, located.split, rows, facts, origin)


def count_rows(dataset: DataSet) -> DataSet:
    """The data set with its exact length, where its rows can be counted in a second or two without the import. dataset:
    from `open_early`, and not `counted`. Raises DataError."""
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
    """The ready data set for a data set from `open_early`; `dataset` itself where it is ready. The import runs in a
    child process.

    `progress(done, total)` is called a few times a second; an exception that it raises ends the import and is raised
    here. Raises DataError.
    """
    origin = dataset.origin
    if origin is None or origin.ready:
        return dataset
    from core.data.importing.import_child import import_in_child  # a small source needs no child

    with naming_source(origin.files) as located:
        for _ in range(_ATTEMPTS):
            if imported := find_imported(located, origin.mapping):
                return _with_edits(_dataset(located, dataset.source, origin.mapping, *imported))
            import_in_child(dataset.source, dataset.split, origin.mapping, located.where, progress, located.names)
        raise DataError("it changes while it is being read", located.where, "Try again when nothing writes to it")


def _chosen_mapping(located: SourceFiles, mapping: ColumnMapping | None) -> ColumnMapping | None:
    return mapping if mapping is not None else load_mapping(sidecar_of(located).mapping)


def _open_small(
    located: SourceFiles, source: str, mapping: ColumnMapping | None, progress: ProgressCallback | None
) -> DataSet | None:
    """A small text source, in memory; None for any other."""
    if not format_named(located.format).is_text or sum(path.stat().st_size for path in located.paths) > _SMALL:
        return None
    try:
        # before reading, so that a later change is noticed
        key = source_key(located.paths, located.format, mapping, located.names)
        return _dataset(located, source, mapping, *read_into_memory(located, mapping, progress), key)
    except TooLargeForMemory:
        return None


def _with_faults(located: SourceFiles, facts: SourceFacts) -> SourceFacts:
    """The facts before the import, with what is known to be wrong with the files."""
    problems = RowProblems()
    add_faults(located, problems)
    return msgspec.structs.replace(
        facts,
        problems=[*problems.kept, *facts.problems],
        problem_count=problems.count + facts.problem_count,
        problem_kinds=[*problems.kinds, *facts.problem_kinds],
        notes=[*problems.notes, *facts.notes],
    )


def _dataset(
    located: SourceFiles, source: str, mapping: ColumnMapping | None, rows: RowPages, facts: SourceFacts, key: str
) -> DataSet:
    return DataSet(located.name, source, located.split, rows, facts, SourceOrigin(located, key, mapping))


def _with_edits(dataset: DataSet) -> DataSet:
    """The data set with the user's edits."""
    if dataset.origin is None or not sidecar_of(dataset.origin.files).edits.exists():
        return dataset
    from core.data.editing.editor import with_edits  # not needed for a source that was never edited

    return with_edits(dataset)
