"""The folder for what the user adds to a data set: the chosen mapping and the journal of edits. Knows where it is, not
what is in it.

It is beside the data as `NAME.suiron/` (with one folder a split), so that it moves with them; in `<home>/data/` where
nothing can be written there, and for the demo, patterns and hub names. A folder that already exists stays in use, also
after the permissions beside the data have changed.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from core.base import folders
from core.data.locate.source_files import SIDECAR_SUFFIX, SourceFiles

_MAPPING_FILE = "mapping.json"
EDITS_FILE = "edits.jsonl"


@dataclass(frozen=True)
class SidecarFolder:
    """The folder of one data set."""

    folder: Path
    """Its path; whoever first writes into it makes it, with `files.private_dir`."""
    beside: bool
    """Whether it is next to the data."""

    @property
    def mapping(self) -> Path:
        """The file of the mapping that the user chose."""
        return self.folder / _MAPPING_FILE

    @property
    def edits(self) -> Path:
        """The journal of edits."""
        return self.folder / EDITS_FILE


def sidecar_of(found: SourceFiles) -> SidecarFolder:
    """The folder of a data set, which may not exist yet. Writes nothing."""
    try:
        away = folders.home() / "data" / _name(found)
    except OSError:  # no home can be made: reading goes on, and the first edit says what is wrong
        away = Path(os.environ.get("SUIRON_HOME", os.curdir)) / "data" / _name(found)
    if found.root is None:
        return SidecarFolder(away, beside=False)
    root = found.root.resolve()
    beside = root.with_name(root.name + SIDECAR_SUFFIX)
    if found.split:
        beside = beside / quote(found.split, safe=" ")
    if _writable(beside) and (beside.is_dir() or not away.is_dir()):
        return SidecarFolder(beside, beside=True)
    return SidecarFolder(away, beside=False)


def _writable(folder: Path) -> bool:
    """Whether files could be made in it, or in the nearest folder above it that exists. A folder whose mode lets nobody
    write is also left alone by root, whom no mode stops: on rented machines users are root, and protect data by the
    mode."""
    existing = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK) and bool(existing.stat().st_mode & 0o222)


def _name(found: SourceFiles) -> str:
    """Readable, and different for every data set: many folders may hold the same name."""
    source = found.where if found.root is None else str(found.root.resolve())
    digest = hashlib.blake2b(f"{source}\0{found.split}".encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    words = re.sub(r"[^\w.-]+", "-", found.name)[:60].strip("-.")
    return f"{words or 'data'}-{digest}"
