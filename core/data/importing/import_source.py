"""Reads a located source into memory or into the import cache. Knows every format's reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from core.base.errors import DataError
from core.data.columns.mapping import ColumnMapping
from core.data.formats.registry import ReadableFormat, format_named
from core.data.formats.row_collector import ProgressCallback, RowCollector, SourceFacts
from core.data.locate.source_files import SourceFiles
from core.data.problems import RowProblems
from core.data.storage.memory_rows import MemoryRows

if TYPE_CHECKING:
    from core.data.importing.import_cache import ImportRequest
    from core.data.storage.arrow_rows import ArrowRows

_MAX_CHARS = 32 << 20  # characters kept in memory; a small compressed file may decompress to any size


class TooLargeForMemory(Exception):
    """A source that looked small has too much text to be kept in memory."""


@contextmanager
def naming_source(located: SourceFiles) -> Iterator[SourceFiles]:
    """Turns the errors of readers into a DataError with the source's name."""
    try:
        yield located
    except DataError as error:
        if error.where:
            raise
        raise DataError(error.what, located.where, error.do) from error
    except OSError as error:
        raise DataError(
            f"it cannot be read ({error.strerror or error})", located.where, "Check the file and who may read it"
        ) from error
    except UnicodeDecodeError as error:  # pyarrow, of names inside a damaged file
        raise DataError(
            f"the file is damaged: a name in it is not UTF-8 ({error.reason})", located.where, "Copy or write it again"
        ) from error


def read_into_memory(
    located: SourceFiles, mapping: ColumnMapping | None, progress: ProgressCallback | None
) -> tuple[MemoryRows, SourceFacts]:
    """All rows of a small text source, in memory. Raises DataError, OSError, TooLargeForMemory."""
    rows = MemoryRows()
    chars = 0

    def put(columns: Sequence[Sequence[str]]) -> None:
        nonlocal chars
        chars += sum(len(text) for column in columns for text in column)
        if chars > _MAX_CHARS:
            raise TooLargeForMemory
        rows.put(columns)

    collector = RowCollector(located.where, put, progress, mapping)
    read_source(located, collector)
    return rows, collector.finish()


def read_source(located: SourceFiles, collector: RowCollector) -> None:
    """Pass every row of a source to `collector`, file by file, and what is known to be wrong with its files. Raises
    DataError, OSError."""
    add_faults(located, collector.problems)
    reader_of(located).read_files(located.paths, collector)


def reader_of(located: SourceFiles) -> ReadableFormat:
    """The reader of the source's format, with the user's names of its columns. Raises DataError where the format has
    names of its own."""
    reader = format_named(located.format).load()
    if not located.names:
        return reader
    from core.data.formats.delimited import DelimitedFormat

    if not isinstance(reader, DelimitedFormat):
        what = "names of columns are given, but only a CSV or TSV file can lack them"
        raise DataError(what, located.where, "Leave --names out")
    return reader.with_names(located.names)


def add_faults(located: SourceFiles, problems: RowProblems) -> None:
    """Add the files that are not read, and how the others are read where their names say otherwise."""
    for note in located.notes:
        problems.note(note)
    for fault in located.faults:
        problems.file = fault.file
        problems.add(0, fault.what, fault.do)
    problems.file = ""


def import_into_cache(located: SourceFiles, mapping: ColumnMapping | None, progress: ProgressCallback | None) -> None:
    """Import into the cache, in this process. Raises DataError, OSError."""
    from core.data.importing import import_cache

    import_cache.import_into_cache(import_request(located, mapping), partial(read_source, located), progress)


def open_imported(
    located: SourceFiles, mapping: ColumnMapping | None, progress: ProgressCallback | None
) -> tuple[ArrowRows, SourceFacts, str]:
    """The rows from the cache, after an import in this process where they are missing; their facts and key. Raises
    DataError, OSError."""
    from core.data.importing import import_cache

    return import_cache.open_cached(import_request(located, mapping), partial(read_source, located), progress)


def find_imported(located: SourceFiles, mapping: ColumnMapping | None) -> tuple[ArrowRows, SourceFacts, str] | None:
    """The rows, facts and key of an earlier import, else None. Raises OSError."""
    from core.data.importing import import_cache

    return import_cache.find_cached(import_request(located, mapping))


def import_request(located: SourceFiles, mapping: ColumnMapping | None) -> ImportRequest:
    """The request to the import cache for a source."""
    from core.data.importing.import_cache import ImportRequest

    return ImportRequest(located.paths, located.format, located.where, mapping, located.names)
