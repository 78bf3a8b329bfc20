"""Resolves the name of a source: the demo, a file or folder, a pattern of files, or a data set on the hub.

The only place that decides this. Checks whether a path exists, and opens nothing.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Literal

import msgspec

from core.base.paths import DEMO, absolute_path

SourceKind = Literal["demo", "path", "pattern", "hub", "missing"]
"""path: an existing file or folder, even one without permission to look at it; missing: none of the others."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(:[\w.-]+)?(@[\w./-]+)?")
_WILDCARD = re.compile(r"[*?\[]")


class SourceName(msgspec.Struct, frozen=True):
    """The resolved name of a source."""

    kind: SourceKind
    """The kind of source."""
    address: str
    """The name as any process understands it: paths and patterns are absolute, other names are as typed."""


def resolve_source_name(text: str, folder: str | os.PathLike[str] = "") -> SourceName:
    """The source that `text` names. Paths are relative to `folder`, or to the working directory where `folder` is
    empty. A path that exists takes precedence over a pattern, and both over a hub name. Never raises."""
    if text == DEMO:
        return SourceName("demo", text)
    path = absolute_path(text, folder)
    if text and _may_exist(path):
        return SourceName("path", path)
    if is_pattern(text):
        return SourceName("pattern", path)
    if is_hub_name(text) and not _has_format(text):
        return SourceName("hub", text)
    return SourceName("missing", text)


def _has_format(text: str) -> bool:
    """Whether the name ends like that of a file with rows."""
    from core.data.formats.registry import format_of_file  # not needed before the first paint

    return format_of_file(text) is not None


def is_pattern(text: str) -> bool:
    """Whether the text contains a wildcard. The path of an existing file may contain one too."""
    return _WILDCARD.search(text) is not None


def is_hub_name(text: str) -> bool:
    """Whether the text has the shape `owner/name`, `owner/name:configuration` or `owner/name@revision`."""
    return _HUB_NAME.fullmatch(text) is not None


def _may_exist(path: str) -> bool:
    """False only where certainly nothing exists; a path without permission fails later, when it is opened."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in it
        return False
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True
