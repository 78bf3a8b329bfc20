"""The folder for the user's additions to a data set: the mapping, the names of columns and the journal of edits.

It is beside the data as `NAME.suiron/` (with one folder per split), so that it moves with them; in `<home>/data/` where
nothing can be written there, and for the demo, patterns and hub names. A folder that already exists stays in use, even
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
_NAMES_FILE = "names.json"
EDITS_FILE = "edits.jsonl"


@dataclass(frozen=True)
class SidecarFolder:
    """The folder of one data set."""

    folder: Path
    """Its path; the first writer creates it, with `files.private_dir`."""
    beside: bool
    """Whether it is next to the data."""

    @property
    def mapping(self) -> Path:
        """The file of the user's mapping."""
        return self.folder / _MAPPING_FILE

    @property
    def names(self) -> Path:
        """The file of the user's names of the columns of a table without a header."""
        return self.folder / _NAMES_FILE

    @property
    def edits(self) -> Path:
        """The journal of edits."""
        return self.folder / EDITS_FILE


def sidecar_of(located: SourceFiles) -> SidecarFolder:
    """The folder of a data set, which may not exist yet. Writes nothing."""
    try:
        away = folders.home() / "data" / _name(located)
    except OSError:  # the home cannot be created: reading still works, and the first edit reports it
        away = Path(os.environ.get("SUIRON_HOME", os.curdir)) / "data" / _name(located)
    if located.root is None:
        return SidecarFolder(away, beside=False)
    root = located.root.resolve()
    beside = root.with_name(root.name + SIDECAR_SUFFIX)
    if located.split:
        beside = beside / quote(located.split, safe=" ")
    if _writable(beside) and (beside.is_dir() or not away.is_dir()):
        return SidecarFolder(beside, beside=True)
    return SidecarFolder(away, beside=False)


def _writable(folder: Path) -> bool:
    """Whether files can be created in it, or in the nearest folder above it that exists. The mode counts even for root,
    whom it does not stop: on rented machines users are root, and protect data by the mode."""
    existing = next((ancestor for ancestor in (folder, *folder.parents) if ancestor.exists()), folder)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK) and bool(existing.stat().st_mode & 0o222)


def _name(located: SourceFiles) -> str:
    """A readable name that is different for every data set, since files in two folders may have the same name."""
    source = located.where if located.root is None else str(located.root.resolve())
    digest = hashlib.blake2b(f"{source}\0{located.split}".encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    words = re.sub(r"[^\w.-]+", "-", located.name)[:60].strip("-.")
    return f"{words or 'data'}-{digest}"
