"""Code shared by the text formats: reading files in order, and their first rows. Knows no format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from core.base.errors import DataError
from core.base.row import FIELDS, Row
from core.data.columns.mapping import ColumnMapping
from core.data.formats.early_rows import HeadRows
from core.data.formats.row_collector import RowCollector, SourceFacts

ReadFile = Callable[[Path, RowCollector], None]


def read_text_files(paths: Sequence[Path], collector: RowCollector, read_file: ReadFile) -> None:
    """Pass every row of the files to `collector`. A file that cannot be read becomes a problem; raises DataError where
    it is the only file."""
    in_folders = len({path.parent for path in paths}) > 1
    for path in paths:
        if len(paths) > 1:
            collector.problems.file = f"{path.parent.name}/{path.name}" if in_folders else path.name
        try:
            read_file(path, collector)
            collector.flush()
        except DataError as error:
            if len(paths) > 1:  # the other files stay
                collector.flush()
                collector.problems.add(0, error.what, error.do)
                continue
            if collector.rows or not collector.problems.kept or collector.problems.kept[0].row:
                raise
            broken = collector.problems.kept[0]  # the cause: the compressed file is incomplete
            raise DataError(broken.what, str(path), collector.problems.advice) from error


class _EnoughRows(Exception):
    """Ends the reading after the first rows."""


def open_head(
    paths: Sequence[Path], where: str, mapping: ColumnMapping | None, read_file: ReadFile
) -> tuple[HeadRows, SourceFacts]:
    """The first rows of text files, at least a few, and the facts known by then. Raises DataError, OSError."""
    rows: list[Row] = []

    def put(columns: Sequence[Sequence[str]]) -> None:
        fields = zip(*columns[: len(FIELDS)], strict=True)
        rows.extend(Row(*texts, index=index) for index, texts in enumerate(fields))  # type: ignore[misc]
        raise _EnoughRows

    collector = RowCollector(where, put, None, mapping)
    try:
        read_text_files(paths, collector, read_file)
        facts = collector.finish()
        is_complete = True
    except _EnoughRows:
        facts = SourceFacts(
            collector.columns.mapping, collector.columns.extra, [], 0, names=tuple(collector.columns.names)
        )
        is_complete = False
    return HeadRows(where, paths, rows, counted=is_complete), facts
