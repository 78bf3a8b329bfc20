"""Makes paths that the user types absolute. A name may be any text, even too long for the file system; none raises."""

from __future__ import annotations

import os

DEMO = "demo"
"""The name of the embedded data and of the embedded model, even where a file has the same name."""


def absolute_path(text: str, folder: str | os.PathLike[str] = "") -> str:
    """`text` as an absolute path, relative to `folder`, or to the working directory where `folder` is empty. `~` is the
    home folder. The path need not exist."""
    path = os.path.join(folder, os.path.expanduser(text))
    try:
        path = os.path.join(os.getcwd(), path)
    except OSError:  # the working directory was removed
        return path
    # `a/../b` is only shortened where it names the same file: `a` may be a link
    short = os.path.normpath(path)
    return short if ".." not in path.split(os.sep) or _is_same_file(short, path) else path


def existing_path(text: str, folder: str | os.PathLike[str] = "") -> str | None:
    """`text` as an absolute path where a file or folder exists there and can be seen; else None."""
    path = absolute_path(text, folder)
    return path if text and os.path.exists(path) else None


def absolute_name(name: str, folder: str | os.PathLike[str] = "") -> str:
    """The name of a model: an existing path becomes absolute, so that any process finds it; `demo`, hub names and paths
    that do not exist stay unchanged."""
    return name if name == DEMO else existing_path(name, folder) or name


def _is_same_file(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False
