"""Checks whether the files of the open source are still those that were read.

Compares names, sizes and times; reads no file. Called in a thread.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from core.base.safe_text import safe_line
from tui.actions import key_of

if TYPE_CHECKING:
    from core.data.dataset import DataSet


def source_change_words(dataset: DataSet) -> str:
    """What happened to the source since it was opened, safe text; empty where nothing did."""
    origin = dataset.origin
    if origin is None or not origin.key:
        return ""
    from core.data.source_version import source_key

    try:
        current_key = source_key(origin.files.paths, origin.files.format, origin.mapping, origin.files.names)
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        name = safe_line(PurePath(str(error.filename or dataset.name)).name, 60)
        return f"{name} {'no longer exists' if is_missing else 'cannot be reached'}; rows are shown as they were read"
    if current_key == origin.key:
        return ""
    return f"the source has changed; {key_of('data.open_source')} and Enter open it again"
