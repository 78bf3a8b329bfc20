"""Data sets by hub name: fetched by a child process (`hub_child`), then opened from the cache without a network.

A name is `owner/name`, optionally with `:configuration` and `@revision`. The folder in the cache records its commit;
once it is removed from `<cache>/hub/`, the data set is fetched again. $SUIRON_HUB is a folder of `owner/name` folders
that is used instead of the hub. Imports neither `datasets` nor `huggingface_hub`.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from core.base import folders
from core.base.child import Child, ChildDied
from core.base.errors import DataError
from core.base.files import private_dir

NOTE = "hub.json"  # beside the files of the data set: its name and commit


def fetch_data_set(name: str, split: str) -> tuple[Path, str]:
    """The folder of the hub data set, fetched where it is not in the cache, and its commit, empty where it is not
    known. Raises DataError."""
    cache = private_dir(folders.cache() / "hub")
    folder = cache / quote(f"{name}@{split}", safe="")
    if folder.is_dir():
        return folder, _revision(folder)
    request = {"name": name, "split": split, "folder": str(folder)}
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    # It runs in the cache folder, so that a data set's name cannot match a folder in the user's working directory.
    with Child("core.data.locate.hub_child", request, folder=cache, variables=quiet) as child:
        try:
            child.answer()
        except ChildDied as death:
            do = "Try again, or download one of its files yourself and open it"
            raise death.explain(DataError, "fetching it from the hub", name, do) from None
    return folder, _revision(folder)


def _revision(folder: Path) -> str:
    """The commit in the child's note; empty for folders without a note, which older versions fetched."""
    try:
        note = json.loads((folder / NOTE).read_bytes())
    except (OSError, ValueError):
        return ""
    return str(note.get("revision", "")) if isinstance(note, dict) else ""
