"""Parquet, and Arrow files and streams (as `datasets` saves them): record batches in, six columns of text out. Never
imports datasets.

pyarrow is imported inside: it costs a tenth of a second that the first paint does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.errors import DataError
from core.base.row import COLUMNS
from core.data.cells import cell
from core.data.columns.mapping import lacking
from core.data.columns.settled_columns import REQUIRED, SAMPLE_ROWS
from core.data.formats.arrow_offsets import sound
from core.data.formats.record_intake import Intake
from core.data.formats.text_decoding import explain

if TYPE_CHECKING:
    import pyarrow as pa

PutArrays = Callable[["Sequence[pa.Array]"], None]
_BATCH_BYTES = 8 << 20


def read_parquet(paths: Sequence[Path], intake: Intake, put: PutArrays) -> None:
    """Shards are read in the order given; `put` takes six string arrays without nulls, in the order of `COLUMNS`.

    A shard that is damaged, or that lacks a column the others have, is a problem, and the others stay; where it is the
    only file, DataError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    files: list[tuple[Path, int]] = []
    for path in paths:
        try:
            with pq.ParquetFile(
                str(path)
            ) as file:  # not kept open: a folder may hold more shards than a process may open
                files.append((path, file.metadata.num_rows))
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            _damaged(f"this is no whole Parquet file: {_line(error)}", path, paths, intake)
    total, done = sum(count for _, count in files), 0
    for path, count in files:
        with pq.ParquetFile(str(path)) as file:
            size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
            reader = _Reader(path, paths, intake, put)
            if reader.learn(file.schema_arrow.names, partial(_head, file)):
                rows = max(16, min(8192, _BATCH_BYTES * max(1, count) // max(1, size)))
                for seen in reader.read(
                    _ahead(file.iter_batches(batch_size=rows, columns=reader.wanted, use_threads=True))
                ):
                    intake.progress(done + seen, total)
        done += count


def read_streams(paths: Sequence[Path], intake: Intake, put: PutArrays) -> None:
    """Arrow files and streams, such as the data-*.arrow of a saved data set; else as `read_parquet`. Progress is in
    files: a stream does not say how many rows it has."""
    import pyarrow as pa

    for place, path in enumerate(paths):
        # read, not mapped: a file that shrinks while it is mapped kills the process
        with pa.OSFile(str(path)) as source:
            try:
                batches = _open(source)
            except (pa.ArrowInvalid, UnicodeDecodeError) as error:
                _damaged(f"this is no whole Arrow stream: {_line(error)}", path, paths, intake)
                continue
            reader = _Reader(path, paths, intake, put)
            first = next(reader.guarded(batches), None)
            if first is not None and reader.learn(first.schema.names, partial(first.slice, 0, SAMPLE_ROWS)):
                for _ in reader.read(_with(first, batches)):
                    pass
        intake.progress(place + 1, len(paths))


def _head(file: Any) -> Any:
    return next(file.iter_batches(batch_size=SAMPLE_ROWS), None)


def _ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """One batch is decoded while the one before it is checked and written."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, batches, None)
        while (batch := waiting.result()) is not None:
            waiting = pool.submit(next, batches, None)
            yield batch


def _open(source: Any) -> Iterator[Any]:
    """The batches of an Arrow file or stream, by its first bytes."""
    import pyarrow as pa

    magic = source.read(6)
    source.seek(0)
    if magic == b"ARROW1":
        file = pa.ipc.open_file(source)
        return map(
            lambda place: sound(file.get_batch(place)), range(file.num_record_batches)
        )  # no generator: one that looks into it would end it
    return map(sound, pa.ipc.open_stream(source))


def _with(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    """In pieces of some megabytes: a writer may have put a million rows into one batch."""
    for batch in chain((first,), rest):
        rows = max(16, min(8192, _BATCH_BYTES * len(batch) // max(1, batch.nbytes)))
        for start in range(0, len(batch), rows):
            yield batch.slice(start, rows)


def _damaged(what: str, path: Path, paths: Sequence[Path], intake: Intake) -> None:
    if len(paths) == 1:
        raise DataError(what, str(path), "Copy or write it again")
    intake.problems.file = path.name
    intake.problems.add(0, what, "Copy or write the file again")
    intake.problems.file = ""


class _Reader:
    """One file. `wanted`: the columns that are read. Rows are numbered from 1 in each file."""

    def __init__(self, path: Path, paths: Sequence[Path], intake: Intake, put: PutArrays) -> None:
        self._path, self._alone = path, len(paths) == 1
        self._intake, self._put = intake, put
        self.wanted: list[str] = []
        self._done = 0

    def learn(self, names: list[str], head: Callable[[], Any]) -> bool:
        """Whether the rows can be read. `head` gives the first rows, for the guess; asked only where there is none yet.
        Raises DataError."""
        columns = self._intake.columns
        sample = []
        if not columns.settled:
            first = next(self.guarded(read() for read in (head,)), None)
            sample = _sample(first) if first is not None else []
        first_file = not columns.names
        columns.learn(names, sample)
        if first_file:
            columns.check(self._intake.where)
        missing = [column for column in columns.mapping.columns if columns.mapping.source(column) not in names]
        gone = [column for column in REQUIRED if column in missing]
        if missing and not first_file:
            named = ", ".join(columns.mapping.source(column) for column in gone or missing)
            what = "its rows are left out" if gone else "it is empty in its rows"
            self._problem(0, f"the file lacks a column that the others have ({named}): {what}")
        self.wanted = [name for name in columns.reader.sources if name in names]
        return not gone

    def _problem(self, row: int, what: str, advice: str = "") -> None:
        problems = self._intake.problems
        problems.file = "" if self._alone else self._path.name
        problems.add(row, what, advice)
        problems.file = ""

    def guarded(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The batches up to where the file is damaged. Raises DataError where that is the start of the only file."""
        import pyarrow as pa

        try:
            yield from batches
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            what = f"the file is damaged: {_line(error)}"
            if self._alone and not self._done:
                raise DataError(what, str(self._path), "Copy or write it again") from error
            self._problem(self._done + 1, f"{what}; what follows cannot be read", "Copy or write the file again")

    def read(self, batches: Iterable[Any]) -> Iterator[int]:
        """Hands every row on; gives the number of those seen now and then."""
        mapping = self._intake.columns.mapping
        names = [source if (source := mapping.source(column)) in self.wanted else None for column in COLUMNS]
        for batch in self.guarded(batches):
            self._intake.problems.file = "" if self._alone else self._path.name
            if mapping.plain:
                self._take_arrays(batch, names)
            else:
                self._take_values(batch)
            self._intake.problems.file = ""
            self._done += len(batch)
            yield self._done

    def _take_arrays(self, batch: Any, names: list[str | None]) -> None:
        import pyarrow as pa

        empty, places = pa.repeat(pa.scalar(""), len(batch)), batch.schema.names
        arrays = [
            _texts(batch.column(places.index(name)), self._done, self._intake) if name is not None else empty
            for name in names
        ]
        arrays = _good(arrays, self._done, self._intake)
        if len(arrays[0]):
            self._intake.rows += len(arrays[0])
            self._put(arrays)

    def _take_values(self, batch: Any) -> None:
        lists = [
            _values(batch.column(batch.schema.names.index(name)), self._done, self._intake)
            if name in self.wanted
            else [None] * len(batch)
            for name in self._intake.columns.reader.sources
        ]
        self._intake.put_values(range(self._done + 1, self._done + len(batch) + 1), list(zip(*lists, strict=True)))


def _sample(batch: Any) -> list[dict[str, Any]]:
    lists = {
        name: _values(batch.column(place), 0, None) for place, name in reversed(list(enumerate(batch.schema.names)))
    }
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _values(column: Any, before: int, intake: Intake | None) -> list[Any]:
    """A column as Python values; what is no UTF-8 is None and a problem of its row, NaN is None."""
    import pyarrow as pa

    if not pa.types.is_nested(column.type):
        simple = pa.types.is_boolean(column.type) or pa.types.is_integer(column.type)
        return (column if simple else _texts(column, before, intake)).to_pylist()  # type: ignore[no-any-return]
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return [_value(column[place], before + place + 1, intake) for place in range(len(column))]


def _value(scalar: Any, row: int, intake: Intake | None) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        if intake is not None:
            intake.problems.add(
                row, f"not UTF-8: byte {error.start + 1} of a text in the cell is 0x{error.object[error.start]:02X}"
            )
        return None


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300].rstrip(".")


def _texts(column: Any, before: int, intake: Intake | None) -> pa.Array:
    """A column of any type as strings; nulls stay. A text that is not UTF-8 becomes null and a problem of its row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = pa.types
    kind = column.type
    if kinds.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if kinds.is_floating(kind):
        column = pc.if_else(
            pc.is_nan(column), pa.scalar(None, kind), column
        )  # what pandas writes for a number that is not there
    simple = (
        kinds.is_floating(kind)
        or kinds.is_integer(kind)
        or kinds.is_boolean(kind)
        or kinds.is_decimal(kind)
        or kinds.is_temporal(kind)
    )
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
                if intake is not None:
                    intake.problems.add(before + place + 1, what.replace("of the line", "of the cell"), advice)
                values.append(None)
        else:
            values.append(None if value is None else cell(value))
    return pa.array(values, pa.string())


def _good(arrays: list[Any], before: int, intake: Intake) -> list[Any]:
    """The rows with instruction and output, of which at least one says something; the others are problems."""
    import pyarrow.compute as pc

    there = [arrays[COLUMNS.index(column)].is_valid() for column in ("instruction", "output")]
    says = [
        pc.not_equal(pc.utf8_trim_whitespace(arrays[COLUMNS.index(column)]), "") for column in ("instruction", "output")
    ]
    complete = pc.and_(*there)
    good = pc.fill_null(pc.and_(complete, pc.or_kleene(*says)), False)
    if not pc.all(good).as_py():
        for place in pc.indices_nonzero(pc.invert(good)).to_pylist():
            missing = [
                name for name, valid in zip(("instruction", "output"), there, strict=True) if not valid[place].as_py()
            ]
            intake.problems.add(before + place + 1, lacking(missing))
        arrays = [array.filter(good) for array in arrays]
    return [array.fill_null("") for array in arrays]
