"""Where what a person adds to a data set lies: the chosen mapping and the journal of edits. Knows the folder, not what
is in it.

Beside the data as `NAME.suiron/` (with a folder a split), so that it travels with them; in `<home>/data/` where nothing
can be written there, and for the demo, patterns and hub names. A folder that is there already stays the one, also after
the rights beside the data have changed.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from core.base import folders
from core.data.locate.source_files import SIDECAR_SUFFIX, Found

MAPPING, EDITS = "mapping.json", "edits.jsonl"


@dataclass(frozen=True)
class Sidecar:
    """folder: made (0700) by whoever first writes into it, `files.private_dir`; beside: whether it stands next to the
    data."""

    folder: Path
    beside: bool

    @property
    def mapping(self) -> Path:
        return self.folder / MAPPING

    @property
    def edits(self) -> Path:
        return self.folder / EDITS


def sidecar(found: Found) -> Sidecar:
    """The folder of a data set. Looks, writes nothing."""
    try:
        away = folders.home() / "data" / _name(found)
    except OSError:  # no home can be made: reading goes on without, and the first edit says what is wrong
        away = Path(os.environ.get("SUIRON_HOME", os.curdir)) / "data" / _name(found)
    if found.root is None:
        return Sidecar(away, beside=False)
    root = found.root.resolve()
    beside = root.with_name(root.name + SIDECAR_SUFFIX)
    if found.split:
        beside = beside / quote(found.split, safe=" ")
    if _writable(beside) and (beside.is_dir() or not away.is_dir()):
        return Sidecar(beside, beside=True)
    return Sidecar(away, beside=False)


def _writable(folder: Path) -> bool:
    """Whether files could be made in it, or in the nearest folder above it that is there. A folder that nobody may
    write in by its mode is left alone also by root, whom no mode stops: on rented machines people are root, and say so
    by the mode."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK) and bool(there.stat().st_mode & 0o222)


def _name(found: Found) -> str:
    """Readable, and another one for every data set: the same name may stand in many folders."""
    which = found.where if found.root is None else str(found.root.resolve())
    digest = hashlib.blake2b(f"{which}\0{found.split}".encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    words = re.sub(r"[^\w.-]+", "-", found.name)[:60].strip("-.")
    return f"{words or 'data'}-{digest}"
