"""The cache of imported sources: one Arrow file per version of a source, in `<cache>/data/`.

A file is complete or absent, even after a kill or with several importers. Its name has a hash of the source (the files'
real paths) and one of its version (sizes, times, mapping, the importer's version). It is written under a temporary
name, flushed to disk and then renamed, so that two importers at once only do the work twice.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from core.base import folders
from core.base.errors import DataError
from core.base.files import private_dir
from core.data.columns.mapping import ColumnMapping
from core.data.extra_columns import STORED_COLUMNS
from core.data.formats.row_collector import ProgressCallback, RowCollector, SourceFacts
from core.data.source_version import source_hashes

if TYPE_CHECKING:
    import pyarrow as pa

    from core.data.storage.arrow_rows import ArrowRows

_FEW = 256  # rows that are written together
_YOUNG = 60.0  # seconds within which another importer may not yet have locked its new file

ReadSource = Callable[[RowCollector], None]


@dataclass(frozen=True)
class ImportRequest:
    """A source to import."""

    paths: tuple[Path, ...]
    """The files, in order."""
    format: str
    """The name of their format."""
    where: str
    """The source's name in errors."""
    mapping: ColumnMapping | None = None
    """The user's mapping; None to guess."""
    names: tuple[str, ...] = ()
    """The user's names of the columns of a table without a header."""

    def hashes(self) -> tuple[str, str]:
        """The hash of the source, and the hash of its version. Raises OSError."""
        return source_hashes(self.paths, self.format, self.mapping, self.names)


def find_cached(request: ImportRequest) -> tuple[ArrowRows, SourceFacts, str] | None:
    """The rows, facts and key of an earlier import; None where there is none, or it is damaged. Raises OSError where a
    file of the source no longer exists."""
    key = "-".join(request.hashes())
    path = folders.cache() / "data" / f"{key}.arrow"
    if not path.exists():
        return None
    import pyarrow as pa  # not needed for a source that is shown before its import

    from core.data.storage.arrow_rows import open_arrow_rows

    try:
        rows, facts = open_arrow_rows(path)
        return rows, msgspec.json.decode(facts, type=SourceFacts), key
    except (pa.ArrowInvalid, OSError, KeyError, msgspec.DecodeError):
        path.unlink(missing_ok=True)  # a damaged disk, or another version of Suiron has just removed it
        return None


def open_cached(
    request: ImportRequest, read: ReadSource, progress: ProgressCallback | None
) -> tuple[ArrowRows, SourceFacts, str]:
    """The rows of the files from the cache, after an import with `read` where they are missing; their facts, and the
    key of this version. Raises DataError."""
    for _ in range(3):
        if cached := find_cached(request):
            return cached
        import_into_cache(request, read, progress)
    raise changing_source_error(request.where)


def import_into_cache(request: ImportRequest, read: ReadSource, progress: ProgressCallback | None) -> None:
    """Import into the cache, and remove older versions of the same source. A source that changes meanwhile leaves
    nothing in the cache. Raises DataError, OSError."""
    try:
        folder = private_dir(folders.cache() / "data")
    except OSError as error:
        raise _not_writable(error, error.filename or "") from error
    source, version = request.hashes()
    path = folder / f"{source}-{version}.arrow"
    _import(path, request, read, progress)
    if request.hashes() != (source, version):
        path.unlink(missing_ok=True)  # it changed meanwhile, so the imported rows belong to neither version
    else:
        _prune(folder, source, path)


def changing_source_error(where: str) -> DataError:
    """The error of a source that changes again and again while it is read."""
    return DataError("it changes while it is being read", where, "Try again when nothing writes to it")


class CacheWriter:
    """Writes batches of text columns, one for each of `STORED_COLUMNS`, as an Arrow file, and the facts as metadata of
    a last, empty batch."""

    def __init__(self, file: BinaryIO, where: Path) -> None:
        import pyarrow as pa

        self._where = where
        self._file = file
        self._schema = pa.schema([pa.field(column, pa.string(), nullable=False) for column in STORED_COLUMNS])
        self._stream: Any = None
        self._few: list[list[str]] = [[] for _ in STORED_COLUMNS]

    def put(self, columns: Sequence[Sequence[str]]) -> None:
        """Write columns of texts, one for each of `STORED_COLUMNS`; a few rows wait for more, since a source may be
        thousands of files with one row each. Raises DataError where they cannot be written."""
        for few, column in zip(self._few, columns, strict=True):
            few += column
        if len(self._few[0]) >= _FEW:
            self._write_few()

    def _write_few(self) -> None:
        import pyarrow as pa

        columns, self._few = self._few, [[] for _ in STORED_COLUMNS]
        arrays = [pa.array(column, pa.string()) for column in columns]
        self._write(pa.record_batch(arrays, schema=self._schema), None)

    def put_arrays(self, arrays: Sequence[pa.Array]) -> None:
        """Write string arrays without nulls. Raises DataError where they cannot be written."""
        import pyarrow as pa

        if self._few[0]:
            self._write_few()
        self._write(pa.record_batch(list(arrays), schema=self._schema), None)

    def close(self, facts: SourceFacts) -> None:
        """Write the facts and flush the file to disk. Raises DataError."""
        import pyarrow as pa

        if self._few[0]:
            self._write_few()
        empty = pa.record_batch([pa.array([], pa.string()) for _ in STORED_COLUMNS], schema=self._schema)
        self._write(empty, {"facts": msgspec.json.encode(facts)})
        try:
            self._stream.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._disk_error(error) from error

    def _write(self, batch: Any, metadata: dict[str, bytes] | None) -> None:
        import pyarrow as pa

        try:
            if self._stream is None:
                self._stream = pa.ipc.new_file(pa.PythonFile(self._file, "w"), self._schema)
            self._stream.write_batch(batch, custom_metadata=metadata)
        except OSError as error:
            raise self._disk_error(error) from error

    def _disk_error(self, error: OSError) -> DataError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            do = "Free space there, or set SUIRON_CACHE to another disk"
            return DataError("the disk is full while importing the data set", str(self._where), do)
        reason = error.strerror or str(error)
        return DataError(
            f"the imported data set cannot be written ({reason})",
            str(self._where),
            "Set SUIRON_CACHE to a folder that can be written",
        )


def _not_writable(error: OSError, where: Path | str) -> DataError:
    do = "Free space there, or set SUIRON_CACHE to a folder that can be written"
    return DataError(f"the imported data set cannot be written ({error.strerror})", str(where), do)


def _import(path: Path, request: ImportRequest, read: ReadSource, progress: ProgressCallback | None) -> None:
    try:
        handle, name = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _not_writable(error, path.parent) from error
    try:
        with os.fdopen(handle, "wb") as file:
            with suppress(OSError):  # a file system without locks: the file is then only protected for `_YOUNG` seconds
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            writer = CacheWriter(file, path.parent)
            collector = RowCollector(request.where, writer.put, progress, request.mapping)
            collector.arrays = writer.put_arrays
            read(collector)
            writer.close(collector.finish())
            os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _prune(folder: Path, source: str, keep: Path) -> None:
    """Remove older versions of the same source, and unfinished files of killed importers, which no longer have a
    lock."""
    for old in folder.glob(f"{source}-*.arrow"):
        if old != keep:
            old.unlink(missing_ok=True)
    for part in folder.glob("*.part"):
        with suppress(OSError), part.open("rb") as file:
            if time.time() - part.stat().st_mtime > _YOUNG:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink(missing_ok=True)
