"""The origin of a data set, and how much of it has been read. Knows files and keys, no rows."""

from __future__ import annotations

from dataclasses import dataclass

from core.data.columns.mapping import ColumnMapping
from core.data.locate.source_files import SourceFiles


@dataclass(frozen=True)
class SourceOrigin:
    """The source behind a data set."""

    files: SourceFiles
    """The files."""
    key: str
    """A key that changes whenever the rows might: made of the files' paths, sizes and times, the importer's version and
    the mapping."""
    mapping: ColumnMapping | None = None
    """The user's mapping; None where it is guessed."""
    ready: bool = True
    """Whether every row is available, for search, edits and counts."""
    counted: bool = True
    """Whether the number of rows is exact."""
