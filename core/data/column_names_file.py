"""The user's names of the columns of a table without a header, as a file beside the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from core.base import files
from core.base.errors import DataError, UsageError
from core.data.locate.source_files import SourceFiles
from core.data.sidecar import sidecar_of

TABLES = ("csv", "tsv")
"""The formats of files that may have no names of their own."""


def parse_names(text: str) -> tuple[str, ...]:
    """The names in `instruction,output`. Raises UsageError where one is empty or there twice."""
    names = tuple(name.strip() for name in text.split(",")) if text.strip() else ()
    if "" in names or len(set(names)) < len(names):
        do = "Name each column once, as in --names instruction,output"
        raise UsageError(f"{text} does not name each column", "--names", do)
    return names


def with_names(located: SourceFiles, names: Sequence[str] = ()) -> SourceFiles:
    """The source with `names` for its columns, else with the saved ones. Raises DataError where the saved ones cannot
    be read."""
    if names or located.format not in TABLES:
        return replace(located, names=tuple(names))
    return replace(located, names=_load_names(sidecar_of(located).names))


def save_names(names: Sequence[str], path: Path) -> None:
    """Save the names as JSON, replaced atomically; the folder must exist. Raises OSError."""
    files.replace_file(path, msgspec.json.encode({"names": names}) + b"\n")


def _load_names(path: Path) -> tuple[str, ...]:
    try:
        return tuple(msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])["names"])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        do = "Remove this file, or save the names again: python -m core data map --names"
        raise DataError(f"the saved names of the columns cannot be read ({reason})", str(path), do) from error
