"""Parquet, and folders saved by `datasets` (Arrow streams): record batches in, six columns of text out. Never imports datasets.

pyarrow is imported inside: it costs a tenth of a second that the first paint does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.cells import cell
from core.data.encoding import explain
from core.data.intake import Intake, lacking
from core.errors import DataError
from core.row import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

PutArrays = Callable[["Sequence[pa.Array]"], None]
_BATCH_BYTES = 8 << 20


def read_parquet(paths: Sequence[Path], intake: Intake, put: PutArrays) -> None:
    """Shards are read in the order given; `put` takes six string arrays without nulls, in the order of `COLUMNS`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = []
    for path in paths:
        try:
            files.append(pq.ParquetFile(str(path)))
        except pa.ArrowInvalid as error:
            raise DataError(f"this is no whole Parquet file: {_line(error)}", str(path), "Copy or write it again") from error
    total, done = sum(file.metadata.num_rows for file in files), 0
    for path, file in zip(paths, files, strict=True):
        names = _learn(file.schema_arrow.names, intake, path)
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
        rows = max(16, min(8192, _BATCH_BYTES * max(1, file.metadata.num_rows) // max(1, size)))
        batches = file.iter_batches(batch_size=rows, columns=[name for name in names if name is not None], use_threads=True)
        done = _read(_guarded(batches, path), names, intake, put, done, total)


def read_streams(paths: Sequence[Path], intake: Intake, put: PutArrays) -> None:
    """The data-*.arrow files of a saved data set. Progress is in files: a stream does not say how many rows it has."""
    import pyarrow as pa

    done = 0
    for place, path in enumerate(paths):
        # read, not mapped: a file that shrinks while it is mapped kills the process
        with pa.OSFile(str(path)) as source:
            try:
                stream = pa.ipc.open_stream(source)
            except pa.ArrowInvalid as error:
                raise DataError(f"this is no whole Arrow stream: {_line(error)}", str(path), "Save the data set again") from error
            names = _learn(stream.schema.names, intake, path)
            done = _read(_guarded(stream, path), names, intake, put, done, 0)
        intake.progress(place + 1, len(paths))


def _learn(names: list[str], intake: Intake, path: Path) -> list[str | None]:
    """For each of `COLUMNS` the name it has in this file, or None. Raises DataError where a later shard lacks a column of the first."""
    intake.columns.learn(names)
    intake.columns.check(intake.where)
    wanted = [intake.columns.used.get(column) for column in COLUMNS]
    for name in wanted:
        if name is not None and name not in names:
            raise DataError(f"the column {name} of the other files is missing here", str(path), "Keep files of one shape in a folder")
    return wanted


def _guarded(batches: Iterable[pa.RecordBatch], path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    try:
        yield from batches
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"the file is damaged: {_line(error)}", str(path), "Copy or write it again") from error


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300].rstrip(".")


def _read(batches: Iterable[pa.RecordBatch], names: list[str | None], intake: Intake, put: PutArrays, done: int, total: int) -> int:
    import pyarrow as pa

    for batch in batches:
        arrays = [
            _texts(batch.column(batch.schema.get_field_index(name)), done, intake) if name is not None else pa.repeat(pa.scalar(""), len(batch))
            for name in names
        ]
        arrays = _good(arrays, done, intake)
        if len(arrays[0]):
            intake.rows += len(arrays[0])
            put(arrays)
        done += len(batch)
        if total:
            intake.progress(done, total)
    return done


def _texts(column: Any, before: int, intake: Intake) -> pa.Array:
    """A column of any type as strings; nulls stay. A text that is not UTF-8 becomes null and a problem of its row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = pa.types
    kind = column.type
    if kinds.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if kinds.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)  # what pandas writes for a number that is not there
    simple = kinds.is_floating(kind) or kinds.is_integer(kind) or kinds.is_boolean(kind) or kinds.is_decimal(kind) or kinds.is_temporal(kind)
    texts = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
    if simple or texts or kinds.is_binary(kind) or kinds.is_large_binary(kind):
        try:
            column = column.cast(pa.string())
            column.validate(full=True)
            return column
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            if texts:
                column = column.cast(pa.large_binary())
    values: list[str | None] = []
    for place, value in enumerate(column.to_pylist()):
        if isinstance(value, bytes):
            try:
                values.append(value.decode())
            except UnicodeDecodeError as error:
                what, advice = explain(value, error.start)
                intake.problems.add(before + place + 1, what.replace("of the line", "of the cell"), advice)
                values.append(None)
        else:
            values.append(None if value is None else cell(value))
    return pa.array(values, pa.string())


def _good(arrays: list[Any], before: int, intake: Intake) -> list[Any]:
    """The rows with instruction and output, of which at least one says something; the others are problems."""
    import pyarrow.compute as pc

    there = [arrays[COLUMNS.index(column)].is_valid() for column in ("instruction", "output")]
    says = [pc.not_equal(pc.utf8_trim_whitespace(arrays[COLUMNS.index(column)]), "") for column in ("instruction", "output")]
    complete = pc.and_(*there)
    good = pc.fill_null(pc.and_(complete, pc.or_kleene(*says)), False)
    if not pc.all(good).as_py():
        for place in pc.indices_nonzero(pc.invert(good)).to_pylist():
            missing = [name for name, valid in zip(("instruction", "output"), there, strict=True) if not valid[place].as_py()]
            intake.problems.add(before + place + 1, lacking(missing))
        arrays = [array.filter(good) for array in arrays]
    return [array.fill_null("") for array in arrays]
