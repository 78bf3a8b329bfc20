"""Whether the files of an open source are still those that were read. Looks at names, sizes and times; reads nothing.
Called in a thread."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from core.base.safe_text import safe_line

if TYPE_CHECKING:
    from core.data.dataset import DataSet


def what_happened(dataset: DataSet) -> str:
    """What has become of the source since it was opened, for a person to read; empty where it is as it was."""
    origin = dataset.origin
    if origin is None or not origin.key:
        return ""
    from core.data.source_version import key

    try:
        now = key(origin.found.paths, origin.found.format, origin.mapping)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        name = safe_line(PurePath(str(error.filename or dataset.name)).name, 60)
        return f"{name} {'is gone' if gone else 'cannot be reached'}; the rows here are as they were read"
    return "" if now == origin.key else "the source was changed since; o and Enter open it again"
