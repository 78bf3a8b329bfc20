"""What the name of a source points to: the demo, a file or folder, a pattern of files, or a data set of the hub. The
one place that decides it. Looks whether a path exists, and opens nothing."""

from __future__ import annotations

import errno
import os
import re
from typing import Literal

import msgspec

from core.base.paths import DEMO, absolute_path
from core.data.formats.table import format_of_file

SourceKind = Literal["demo", "path", "pattern", "hub", "missing"]
"""path: a file or folder that exists, also one that may not be looked at; missing: none of the others."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(:[\w.-]+)?(@[\w./-]+)?")
_WILDCARD = re.compile(r"[*?\[]")


class SourceName(msgspec.Struct, frozen=True):
    """The name of a source, and what it points to."""

    kind: SourceKind
    """What it points to."""
    address: str
    """The name as any process understands it: a path or pattern made absolute, anything else as it was typed."""


def resolve_source_name(text: str, folder: str | os.PathLike[str] = "") -> SourceName:
    """What `text` points to, seen from `folder`, the working directory where that is empty. A path that exists wins
    over a pattern, and a path or pattern over a hub name. Never raises."""
    if text == DEMO:
        return SourceName("demo", text)
    path = absolute_path(text, folder)
    if text and _may_exist(path):
        return SourceName("path", path)
    if is_pattern(text):
        return SourceName("pattern", path)
    if is_hub_name(text) and format_of_file(text) is None:
        return SourceName("hub", text)
    return SourceName("missing", text)


def is_pattern(text: str) -> bool:
    """Whether the text holds a wildcard. A path that exists may hold one too."""
    return _WILDCARD.search(text) is not None


def is_hub_name(text: str) -> bool:
    """Whether the text has the shape `owner/name`, `owner/name:configuration` or `owner/name@revision`."""
    return _HUB_NAME.fullmatch(text) is not None


def _may_exist(path: str) -> bool:
    """False only where there is certainly nothing: whoever opens a path that may not be looked at says so."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in it
        return False
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True
