"""Where a data set comes from and how far its reading has come. Knows files and keys, no rows."""

from __future__ import annotations

from dataclasses import dataclass

from core.data.columns.mapping import Mapping
from core.data.locate.source_files import Found


@dataclass(frozen=True)
class Origin:
    """found: the files; key: changes whenever the rows as read could (paths, sizes, times, importer, mapping); mapping:
    the one a person chose, None where it was guessed; ready: whether every row is at hand, for search, edits and
    counts; counted: whether the number of rows is exact."""

    found: Found
    key: str
    mapping: Mapping | None = None
    ready: bool = True
    counted: bool = True
