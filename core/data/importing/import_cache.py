"""Imported sources: one Arrow file per version of a source, in `<cache>/data/`. Whole or absent, whatever is killed and
whoever else imports.

A file's name is a hash of what was read (the files' real paths) and one of its version (sizes, times, mapping, the
importer's own version). It is written beside its place under a name of its own, flushed to disk and then put in place,
so two importers at once only work twice.
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
from core.base.row import COLUMNS
from core.data.columns.mapping import Mapping
from core.data.formats.record_intake import Facts, Intake, Progress
from core.data.source_version import names

if TYPE_CHECKING:
    import pyarrow as pa

    from core.data.storage.mapped_rows import MappedRows

_YOUNG = 60.0  # seconds during which another importer may not yet have locked its new file

ReadSource = Callable[[Intake], None]


@dataclass(frozen=True)
class Import:
    """What is to be read: files of one kind with an optional mapping of a person; where: the source's name in
    errors."""

    paths: tuple[Path, ...]
    kind: str
    where: str
    mapping: Mapping | None = None

    def names(self) -> tuple[str, str]:
        return names(self.paths, self.kind, self.mapping)


def look(what: Import) -> tuple[MappedRows, Facts, str] | None:
    """The rows, facts and key of what was imported before, None where it was not, or is damaged. Raises OSError where a
    file of it is gone."""
    key = "-".join(what.names())
    path = folders.cache() / "data" / f"{key}.arrow"
    if not path.exists():
        return None
    import pyarrow as pa  # not for a source that is first shown early

    from core.data.storage.mapped_rows import open_mapped

    try:
        rows, facts = open_mapped(path)
        return rows, msgspec.json.decode(facts, type=Facts), key
    except (pa.ArrowInvalid, OSError, KeyError, msgspec.DecodeError):
        path.unlink(missing_ok=True)  # a damaged disk, or pruned by another version of Suiron this moment
        return None


def open_cached(what: Import, read: ReadSource, progress: Progress | None) -> tuple[MappedRows, Facts, str]:
    """The rows of the files, from the cache, or imported with `read` into it; their facts, and the key of this version.
    Raises DataError."""
    for _ in range(3):
        if found := look(what):
            return found
        fill(what, read, progress)
    raise unsteady(what.where)


def fill(what: Import, read: ReadSource, progress: Progress | None) -> None:
    """Import into the cache, and remove what was imported of older versions. A source that changes meanwhile leaves
    nothing there."""
    try:
        folder = private_dir(folders.cache() / "data")
    except OSError as error:
        raise _unwritable(error, error.filename or "") from error
    which, version = what.names()
    path = folder / f"{which}-{version}.arrow"
    _import(path, what, read, progress)
    if what.names() != (which, version):
        path.unlink(missing_ok=True)  # it changed while it was read: what was imported is neither version
    else:
        _prune(folder, which, path)


def unsteady(where: str) -> DataError:
    return DataError("it changes while it is read", where, "Try again when whatever writes it has ended")


class Writer:
    """Writes batches of six text columns as an Arrow file, the facts in the metadata of a last, empty batch."""

    def __init__(self, file: BinaryIO, where: Path) -> None:
        import pyarrow as pa

        self._where = where
        self._file = file
        self._schema = pa.schema([pa.field(column, pa.string(), nullable=False) for column in COLUMNS])
        self._stream: Any = None

    def put(self, columns: Sequence[Sequence[str]]) -> None:
        import pyarrow as pa

        self.put_arrays([pa.array(column, pa.string()) for column in columns])

    def put_arrays(self, arrays: Sequence[pa.Array]) -> None:
        import pyarrow as pa

        self._write(pa.record_batch(list(arrays), schema=self._schema), None)

    def close(self, facts: Facts) -> None:
        import pyarrow as pa

        empty = pa.record_batch([pa.array([], pa.string()) for _ in COLUMNS], schema=self._schema)
        self._write(empty, {"facts": msgspec.json.encode(facts)})
        try:
            self._stream.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._full(error) from error

    def _write(self, batch: Any, metadata: dict[str, bytes] | None) -> None:
        import pyarrow as pa

        try:
            if self._stream is None:
                self._stream = pa.ipc.new_file(pa.PythonFile(self._file, "w"), self._schema)
            self._stream.write_batch(batch, custom_metadata=metadata)
        except OSError as error:
            raise self._full(error) from error

    def _full(self, error: OSError) -> DataError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            do = "Free space there, or set SUIRON_CACHE to another disk"
            return DataError("the disk is full while importing the data set", str(self._where), do)
        reason = error.strerror or str(error)
        return DataError(
            f"the imported data set cannot be written ({reason})",
            str(self._where),
            "Set SUIRON_CACHE to a folder that can be written",
        )


def _unwritable(error: OSError, where: Path | str) -> DataError:
    do = "Free space there, or set SUIRON_CACHE to a folder that can be written"
    return DataError(f"the imported data set cannot be written ({error.strerror})", str(where), do)


def _import(path: Path, what: Import, read: ReadSource, progress: Progress | None) -> None:
    try:
        handle, name = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _unwritable(error, path.parent) from error
    try:
        with os.fdopen(handle, "wb") as file:
            with suppress(OSError):  # a file system without locks: the file then only lives through `_YOUNG`
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            writer = Writer(file, path.parent)
            intake = Intake(what.where, writer.put, progress, what.mapping)
            intake.arrays = writer.put_arrays
            read(intake)
            writer.close(intake.finish())
            os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _prune(folder: Path, which: str, keep: Path) -> None:
    """Remove older versions of the same source, and what importers left that were killed: their locks died with
    them."""
    for old in folder.glob(f"{which}-*.arrow"):
        if old != keep:
            old.unlink(missing_ok=True)
    for part in folder.glob("*.part"):
        with suppress(OSError), part.open("rb") as file:
            if time.time() - part.stat().st_mtime > _YOUNG:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink(missing_ok=True)
