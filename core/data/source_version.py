"""The key of a source as it stands now: which files, in which state, read by which mapping. Looks at files, reads
none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from core.data.columns.mapping import Mapping

IMPORTER = 3  # to be raised whenever the same source would give other rows or facts


def names(paths: Sequence[Path], kind: str, mapping: Mapping | None = None) -> tuple[str, str]:
    """(which source, which version of it): hashes of the files' real paths, and of sizes, times, importer and mapping.
    Raises OSError."""
    which, version = (
        hashlib.blake2b(kind.encode(), digest_size=12),
        hashlib.blake2b(str(IMPORTER).encode(), digest_size=8),
    )
    for path in paths:
        stat = path.stat()
        which.update(os.fsencode(path.resolve()) + b"\0")
        version.update(f"{stat.st_size} {stat.st_mtime_ns} ".encode())
    if mapping is not None:
        picks = ((column, pick.column, pick.how) for column, pick in sorted(mapping.picks.items()) if pick.column)
        version.update("\0".join("\1".join(pick) for pick in picks).encode("utf-8", "surrogateescape"))
    return which.hexdigest(), version.hexdigest()


def key(paths: Sequence[Path], kind: str, mapping: Mapping | None = None) -> str:
    return "-".join(names(paths, kind, mapping))
