"""Columns that bulk edits made, in files without a name under the cache: the disk gives the place back when the last
reader goes, however it ends."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from core.base import folders
from core.base.files import private_dir

if TYPE_CHECKING:
    import pyarrow as pa

_HELD = 4 << 20  # bytes of a column that stay in memory


class Descriptor:
    """An open file, closed when nothing uses it any more: it may have no name, or lose it meanwhile, as when a newer
    import comes."""

    def __init__(self, file: Path | int) -> None:
        self.number = os.dup(file) if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


class Column:
    """A column that is made batch by batch: in memory while it is small, then in a file. `put` raises OSError."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._arrays: list[pa.Array] = []
        self._size = 0
        self._file: BinaryIO | None = None
        self._writer: Any = None

    def put(self, array: pa.Array) -> None:
        self._arrays.append(array)
        self._size += array.nbytes
        if self._writer is not None or self._size > _HELD:
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

    def arrays(self) -> tuple[list[pa.Array], Descriptor | None]:
        """What was put, and the file it is mapped from, if any."""
        import pyarrow as pa

        if self._file is None:
            return self._arrays, None
        self._writer.close()
        self._file.flush()
        descriptor = Descriptor(self._file.fileno())
        self._file.close()
        mapped = pa.ipc.open_file(pa.memory_map(f"/dev/fd/{descriptor.number}"))
        return [mapped.get_batch(i).column(0) for i in range(mapped.num_record_batches)], descriptor
