"""Stores the columns that bulk edits make, in unnamed files in the cache folder.

Their disk space is free again when the last reader ends, even by a kill.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from core.base import folders
from core.base.files import private_dir

if TYPE_CHECKING:
    import pyarrow as pa

_IN_MEMORY_BYTES = 4 << 20  # of a column, before it goes to a file


class FileDescriptor:
    """An open file, closed when no object refers to it any more. The file may have no name, or a newer import may
    replace it."""

    def __init__(self, file: Path | int) -> None:
        self.number = os.dup(file) if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


class ColumnWriter:
    """Collects a column batch by batch: in memory while it is small, then in a file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._arrays: list[pa.Array] = []
        self._bytes = 0
        self._file: BinaryIO | None = None
        self._writer: Any = None

    def append(self, array: pa.Array) -> None:
        """Add the next batch. Raises OSError if the file cannot be written."""
        self._arrays.append(array)
        self._bytes += array.nbytes
        if self._writer is not None or self._bytes > _IN_MEMORY_BYTES:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        schema = pa.schema([pa.field(self._name, pa.string())])
        if self._writer is None:
            self._file = tempfile.TemporaryFile(dir=private_dir(folders.cache() / "data"))  # noqa: SIM115
            self._writer = pa.ipc.new_file(self._file, schema)
        for array in self._arrays:
            self._writer.write_batch(pa.record_batch([array], schema=schema))
        self._arrays.clear()

    def finish(self) -> tuple[list[pa.Array], FileDescriptor | None]:
        """The batches of the column, and the file they are mapped from, None if they are in memory."""
        import pyarrow as pa

        if self._file is None:
            return self._arrays, None
        self._writer.close()
        self._file.flush()
        descriptor = FileDescriptor(self._file.fileno())
        self._file.close()
        mapped = pa.ipc.open_file(pa.memory_map(f"/dev/fd/{descriptor.number}"))
        return [mapped.get_batch(i).column(0) for i in range(mapped.num_record_batches)], descriptor
