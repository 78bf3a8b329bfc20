"""Imports in a child process of lower priority, so that the terminal stays quick. The child runs this module."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from core.base.child import Child, ChildDied, ChildProgress
from core.base.child_main import ReportProgress, answer_parent
from core.base.errors import DataError
from core.data.columns.mapping import ColumnMapping
from core.data.formats.row_collector import ProgressCallback

_NICE = 5


def import_in_child(
    source: str,
    split: str,
    mapping: ColumnMapping | None,
    where: str,
    progress: ProgressCallback | None,
    names: Sequence[str] = (),
) -> None:
    """Import the data set `source` into the cache, in a child process. where: its name in an error; names: of the
    columns of a table without a header.

    `progress(done, total)` is called a few times a second, even without news, so that it can stop the import: an
    exception that it raises ends the child and is raised here. Raises DataError, OSError.
    """
    latest = ChildProgress("", 0, 0)

    def remember(progress: ChildProgress) -> None:
        nonlocal latest
        latest = progress

    def check() -> None:
        if progress is not None:
            progress(latest.done, latest.total)

    request = {"source": source, "split": split, "mapping": msgspec.to_builtins(mapping), "names": list(names)}
    with Child("core.data.importing.import_child", request) as child:
        try:
            child.answer(remember, check)
        except ChildDied as death:
            raise death.explain(DataError, "the import", where, "Try again, or import a part of the data") from None


def import_for_parent(request: dict[str, Any], progress: ReportProgress) -> None:
    """The child's work. A SystemExit during the import removes the unfinished file."""
    from core.data.importing.import_source import import_into_cache, naming_source
    from core.data.locate.source_files import locate_source

    os.nice(_NICE)
    mapping = msgspec.convert(request["mapping"], ColumnMapping | None)
    with naming_source(locate_source(request["source"], request["split"])) as located:
        located = replace(located, names=tuple(request["names"]))
        import_into_cache(located, mapping, lambda done, total: progress("", done, total))


if __name__ == "__main__":
    answer_parent(import_for_parent)
