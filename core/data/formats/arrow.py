"""Arrow IPC files, Feather files and streams: reading, and pages before the import, and writing.

Also reads folders saved by `datasets`, without importing that library. pyarrow is imported inside functions: it takes a
tenth of a second, which would delay the first paint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from core.data.columns.mapping import ColumnMapping
from core.data.columns.settled_columns import SAMPLE_ROWS
from core.data.formats.arrow_validation import validated_batch
from core.data.formats.early_rows import MAX_OPEN_FILES, EarlyRows, HeadRows
from core.data.formats.record_batches import BatchReader, batch_rows, early_facts, first_line, report_damaged
from core.data.formats.row_collector import RowCollector, SourceFacts
from core.data.formats.typed_columns import typed_batch, written_schema
from core.data.formats.written_rows import WrittenColumn, WrittenRows


def read_files(paths: Sequence[Path], collector: RowCollector) -> None:
    """Pass every row to `collector`, as arrays. Progress is in files, since a stream does not state its number of rows.

    A file that is damaged, or that lacks a column of the others, becomes a problem and the others are read; raises
    DataError where it is the only file.
    """
    import pyarrow as pa

    for index, path in enumerate(paths):
        # read, not mapped: a file that shrinks while it is mapped kills the process
        with pa.OSFile(str(path)) as source:
            try:
                batches = _open_batches(source)
            except (pa.ArrowInvalid, UnicodeDecodeError) as error:
                report_damaged(f"this is not a complete Arrow stream: {first_line(error)}", path, paths, collector)
                continue
            reader = BatchReader(path, paths, collector)
            first = next(reader.until_damage(batches), None)
            if first is not None and reader.add_names(first.schema.names, partial(first.slice, 0, SAMPLE_ROWS)):
                for _ in reader.read(_in_small_batches(first, batches)):
                    pass
        collector.progress(index + 1, len(paths))


def open_early(paths: Sequence[Path], where: str, mapping: ColumnMapping | None) -> tuple[EarlyRows, SourceFacts]:
    """All rows by index; none where there are too many files, or a batch is too large to be read for one page. Raises
    DataError, OSError."""
    if len(paths) > MAX_OPEN_FILES:
        return HeadRows(where, paths, []), SourceFacts(mapping or ColumnMapping(), (), [], 0)
    from core.data.formats.arrow_pages import ArrowMessages, EarlyArrow

    files = [ArrowMessages(path) for path in paths]
    names = files[0].names
    if not all(file.usable for file in files):
        return HeadRows(where, paths, []), early_facts(names, mapping, where, lambda: [])
    facts = early_facts(names, mapping, where, lambda: files[0].read(names, 0, SAMPLE_ROWS))
    return EarlyArrow(where, paths, files, facts.mapping), facts


@contextmanager
def open_writer(stream: Any, columns: tuple[WrittenColumn, ...]) -> Iterator[Callable[[WrittenRows], None]]:
    """The function that writes one batch to the binary `stream`; the file is complete when the context ends."""
    import pyarrow as pa

    schema = written_schema(columns)
    with pa.ipc.new_file(pa.PythonFile(stream, "w"), schema) as file:
        yield lambda rows: file.write_batch(typed_batch(rows, schema))


def _open_batches(source: Any) -> Iterator[Any]:
    """The batches of an Arrow file or stream; the first bytes tell which it is."""
    import pyarrow as pa

    magic = source.read(6)
    source.seek(0)
    if magic == b"ARROW1":
        file = pa.ipc.open_file(source)
        # not a generator, since damage in one batch would end it
        return map(lambda index: validated_batch(file.get_batch(index)), range(file.num_record_batches))
    return map(validated_batch, pa.ipc.open_stream(source))


def _in_small_batches(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    """The batches in pieces of some megabytes, since a writer may have put a million rows into one batch."""
    for batch in chain((first,), rest):
        rows = batch_rows(len(batch), batch.nbytes)
        for start in range(0, len(batch), rows):
            yield batch.slice(start, rows)
