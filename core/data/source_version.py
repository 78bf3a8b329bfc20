"""The key of a source in its current state: its files, their sizes and times, the mapping and the names of columns.

Reads no file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from core.data.columns.mapping import ColumnMapping

IMPORTER_VERSION = 10  # raise it whenever the same source would give other rows or facts


def source_hashes(
    paths: Sequence[Path], file_format: str, mapping: ColumnMapping | None = None, names: Sequence[str] = ()
) -> tuple[str, str]:
    """The hash of the source (the format's name and the files' real paths) and the hash of its version (sizes, times,
    importer, mapping and the user's names of columns), as hex digits. Raises OSError."""
    source = hashlib.blake2b(file_format.encode(), digest_size=12)
    version = hashlib.blake2b(str(IMPORTER_VERSION).encode(), digest_size=8)
    folders: dict[Path, Path] = {}
    for path in paths:
        stat = path.stat()
        source.update(os.fsencode(_real_path(path, folders)) + b"\0")
        version.update(f"{stat.st_size} {stat.st_mtime_ns} ".encode())
    if mapping is not None:
        picks = ((column, pick.column, pick.how) for column, pick in sorted(mapping.picks.items()) if pick.column)
        marks = (("", mark.column, mark.kind) for mark in mapping.marks)
        version.update("\0".join("\1".join(pick) for pick in (*picks, *marks)).encode("utf-8", "surrogateescape"))
    if names:
        version.update("\2".join(("names", *names)).encode("utf-8", "surrogateescape"))
    return source.hexdigest(), version.hexdigest()


def _real_path(path: Path, folders: dict[Path, Path]) -> Path:
    """The path without links. folders: the real paths of folders seen so far, since a source may have thousands of
    files in one."""
    if path.is_symlink():
        return path.resolve()
    folder = folders.get(path.parent)
    if folder is None:
        folder = folders[path.parent] = path.parent.resolve()
    return folder / path.name


def source_key(
    paths: Sequence[Path], file_format: str, mapping: ColumnMapping | None = None, names: Sequence[str] = ()
) -> str:
    """One key of source and version. Raises OSError."""
    return "-".join(source_hashes(paths, file_format, mapping, names))
