"""Parquet: reading, pages before the import, and writing.

pyarrow is imported inside functions: it takes a tenth of a second, which would delay the first paint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.columns.mapping import ColumnMapping
from core.data.columns.settled_columns import SAMPLE_ROWS
from core.data.formats.early_rows import EarlyRows, HeadRows
from core.data.formats.record_batches import BatchReader, batch_rows, early_facts, first_line, report_damaged
from core.data.formats.row_collector import RowCollector, SourceFacts
from core.data.formats.typed_columns import typed_batch, written_schema
from core.data.formats.written_rows import WrittenColumn, WrittenRows

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP = 50_000  # rows of a row group in written files: small enough for paging, large enough to compress well


def read_files(paths: Sequence[Path], collector: RowCollector) -> None:
    """Pass every row to `collector`, as arrays. Progress is in rows.

    A file that is damaged, or that lacks a column of the others, becomes a problem and the others are read; raises
    DataError where it is the only file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    files: list[tuple[Path, int]] = []
    for path in paths:
        try:
            # closed at once, since a folder may have more files than a process may open
            with pq.ParquetFile(str(path)) as file:
                files.append((path, file.metadata.num_rows))
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            report_damaged(f"this is not a complete Parquet file: {first_line(error)}", path, paths, collector)
    total = sum(count for _, count in files)
    done = 0
    for path, count in files:
        with pq.ParquetFile(str(path)) as file:
            size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
            reader = BatchReader(path, paths, collector)
            if reader.add_names(file.schema_arrow.names, partial(_head, file)):
                rows = batch_rows(count, size)
                batches = file.iter_batches(batch_size=rows, columns=reader.wanted, use_threads=True)
                for read in reader.read(_read_ahead(batches)):
                    collector.progress(done + read, total)
        done += count


def open_early(paths: Sequence[Path], where: str, mapping: ColumnMapping | None) -> tuple[EarlyRows, SourceFacts]:
    """All rows by index; none where DuckDB would read a path as a pattern. Raises DataError, OSError."""
    if any(set("*?[]") & set(str(path)) for path in paths):
        return HeadRows(where, paths, []), SourceFacts(mapping or ColumnMapping(), (), [], 0)
    from core.data.formats.parquet_pages import EarlyParquet, ParquetFiles

    files = ParquetFiles(paths)

    def read_sample() -> Sequence[Sequence[Any]]:
        first = files.read(files.names, 0, 0, SAMPLE_ROWS)
        return [] if isinstance(first, str) else first

    facts = early_facts(files.names, mapping, where, read_sample)
    return EarlyParquet(where, paths, files, facts.mapping), facts


@contextmanager
def open_writer(stream: Any, columns: tuple[WrittenColumn, ...]) -> Iterator[Callable[[WrittenRows], None]]:
    """The function that writes one batch to the binary `stream`; the file is complete when the context ends."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = written_schema(columns)
    waiting: list[pa.RecordBatch] = []
    with pq.ParquetWriter(stream, schema, compression="zstd") as parquet:

        def flush() -> None:
            if waiting:
                parquet.write_table(pa.Table.from_batches(waiting, schema), row_group_size=_GROUP)
                waiting.clear()

        def write(rows: WrittenRows) -> None:
            waiting.append(typed_batch(rows, schema))
            if sum(map(len, waiting)) >= _GROUP:
                flush()

        yield write
        flush()


def _head(file: Any) -> Any:
    return next(file.iter_batches(batch_size=SAMPLE_ROWS), None)


def _read_ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """The batches; the next one is decoded while the caller processes the current one."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, batches, None)
        while (batch := waiting.result()) is not None:
            waiting = pool.submit(next, batches, None)
            yield batch
