"""What the text formats share: files read one after the other, their first rows, and rows written as blocks of bytes.
Knows none of the formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.errors import DataError
from core.base.row import COLUMNS, Row
from core.data.columns.mapping import ColumnMapping
from core.data.formats.early_rows import HeadRows
from core.data.formats.row_collector import RowCollector, SourceFacts

if TYPE_CHECKING:
    import pyarrow as pa

ReadFile = Callable[[Path, RowCollector], None]


def read_text_files(paths: Sequence[Path], collector: RowCollector, read_file: ReadFile) -> None:
    """Hand every row of the files to `collector`. A file that cannot be read is a problem where there are others; where
    it is the only one, DataError."""
    for path in paths:
        if len(paths) > 1:
            collector.problems.file = path.name
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
            broken = collector.problems.kept[0]  # what is missing is missing because the compressed file breaks off
            raise DataError(broken.what, str(path), collector.problems.advice) from error


class _EnoughRows(Exception):
    """Ends the reading after the first rows."""


def open_head(
    paths: Sequence[Path], where: str, mapping: ColumnMapping | None, read_file: ReadFile
) -> tuple[HeadRows, SourceFacts]:
    """The first rows of text files, a few at least, and what is known of the source by then. Raises DataError,
    OSError."""
    rows: list[Row] = []

    def put(columns: Sequence[Sequence[str]]) -> None:
        rows.extend(Row(*texts, index=index) for index, texts in enumerate(zip(*columns, strict=True)))  # type: ignore[misc]
        raise _EnoughRows

    collector = RowCollector(where, put, None, mapping)
    try:
        read_text_files(paths, collector, read_file)
        facts = collector.finish()
        whole = True
    except _EnoughRows:
        facts = SourceFacts(collector.columns.mapping, collector.columns.extra, [], 0)
        whole = False
    return HeadRows(where, paths, rows, counted=whole), facts


def write_text_batches(
    stream: Any, header: bytes, encode_rows: Callable[[Sequence[Sequence[str]]], bytes]
) -> Callable[[pa.RecordBatch], None]:
    """Write `header` to the binary `stream`, and give the function that writes one batch. `encode_rows` makes the bytes
    of six columns of equal length."""
    stream.write(header)

    def write(batch: pa.RecordBatch) -> None:
        stream.write(encode_rows([batch.column(index).to_pylist() for index in range(len(COLUMNS))]))

    return write
