"""Converts record batches of pyarrow to six columns of text, for Parquet and Arrow files. Knows neither format.

pyarrow is imported inside functions: it takes a tenth of a second, which would delay the first paint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.errors import DataError
from core.base.row import FIELDS
from core.data.cell_text import cell_text
from core.data.columns.guess import guess_mapping
from core.data.columns.mapping import ColumnMapping, explain_missing
from core.data.columns.settled_columns import REQUIRED_COLUMNS, SAMPLE_ROWS, SourceColumns
from core.data.extra_columns import BYTES
from core.data.formats.marker_search import column_has_markers
from core.data.formats.row_collector import RowCollector, SourceFacts
from core.data.formats.text_encoding import explain_encoding
from core.data.formats.typed_columns import holds_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_BYTES = 8 << 20


def batch_rows(rows: int, size: int) -> int:
    """How many rows make a batch of some megabytes, where `rows` rows take `size` bytes."""
    return max(16, min(8192, _BATCH_BYTES * max(1, rows) // max(1, size)))


def early_facts(
    names: list[str], mapping: ColumnMapping | None, where: str, read_sample: Callable[[], Sequence[Sequence[Any]]]
) -> SourceFacts:
    """The facts about a source before its import. `read_sample` returns the values of the first rows, for the guess of
    the columns where there is no `mapping`. Raises DataError where a required column has no source."""
    if mapping is None:
        sample = [dict(zip(names, values, strict=True)) for values in read_sample()[:SAMPLE_ROWS]]
        mapping = guess_mapping(names, sample)
    columns = SourceColumns(mapping)
    columns.add_names(names)
    columns.check(where)
    return SourceFacts(columns.mapping, columns.extra, [], 0, names=tuple(columns.names))


def report_damaged(what: str, path: Path, paths: Sequence[Path], collector: RowCollector) -> None:
    """Adds a problem for a file that cannot be read at all. Raises DataError where it is the only file."""
    if len(paths) == 1:
        raise DataError(what, str(path), "Copy or write it again")
    collector.problems.file = path.name
    collector.problems.add(0, what, "Copy or write the file again")
    collector.problems.file = ""


def first_line(error: Exception) -> str:
    """The first line of an error's message, without its full stop."""
    return str(error).strip().split("\n")[0][:300].rstrip(".")


class BatchReader:
    """Reads the batches of one file of `paths`. `wanted` has the columns that it needs. Rows are numbered from 1 in
    each file."""

    def __init__(self, path: Path, paths: Sequence[Path], collector: RowCollector) -> None:
        self._path, self._alone = path, len(paths) == 1
        self._collector = collector
        self.wanted: list[str] = []
        self._others: list[str] = []
        self._done = 0

    def add_names(self, names: list[str], head: Callable[[], Any]) -> bool:
        """Add the columns of the file; returns whether its rows can be read. `head` returns the first rows for the
        guess, and is called only where there is none yet. Raises DataError."""
        columns = self._collector.columns
        sample = []
        if not columns.settled:
            first = next(self.until_damage(read() for read in (head,)), None)
            sample = _sample(first) if first is not None else []
        first_file = not columns.names
        columns.add_names(names, sample)
        if first_file:
            columns.check(self._collector.where)
        sources = {column: columns.root(columns.mapping.source(column)) for column in columns.mapping.columns}
        missing = [column for column, source in sources.items() if source not in names]
        required = [column for column in REQUIRED_COLUMNS if column in missing]
        if missing and not first_file:
            lacked = ", ".join(sources[column] for column in required or missing)
            what = "its rows are left out" if required else "it is empty in its rows"
            self._problem(0, f"the file lacks a column that the others have ({lacked}): {what}")
        self._others = [name for name in dict.fromkeys(names) if name not in columns.taken]
        self.wanted = [name for name in dict.fromkeys([*columns.reader.sources, *self._others]) if name in names]
        return not required

    def _problem(self, row: int, what: str, advice: str = "") -> None:
        problems = self._collector.problems
        problems.file = "" if self._alone else self._path.name
        problems.add(row, what, advice)
        problems.file = ""

    def until_damage(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The batches before any damage. Raises DataError where the only file is damaged at its start."""
        import pyarrow as pa

        try:
            yield from batches
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            what = f"the file is damaged: {first_line(error)}"
            if self._alone and not self._done:
                raise DataError(what, str(self._path), "Copy or write it again") from error
            self._problem(self._done + 1, f"{what}; the rest cannot be read", "Copy or write the file again")

    def read(self, batches: Iterable[Any]) -> Iterator[int]:
        """Pass every row to the collector; yields the number of rows read so far after each batch."""
        mapping, plain = self._collector.columns.mapping, self._collector.columns.plain
        names = [mapping.source_in(column, self.wanted) for column in FIELDS]
        watched = [source for column in mapping.watched if (source := mapping.source(column)) in self.wanted]
        for batch in self.until_damage(batches):
            self._collector.problems.file = "" if self._alone else self._path.name
            if plain and not self._must_be_read_by_row(batch, watched):
                self._take_arrays(batch, names)
            else:
                self._take_values(batch)
            self._collector.problems.file = ""
            self._done += len(batch)
            yield self._done

    def _must_be_read_by_row(self, batch: Any, watched: list[str]) -> bool:
        """Whether a column has lists or objects, or one of the source's `watched` columns has reasoning markers."""
        import pyarrow as pa

        columns = {name: batch.column(batch.schema.names.index(name)) for name in self.wanted}
        if any(pa.types.is_nested(column.type) for column in columns.values()):
            return True
        return any(column_has_markers(columns[name]) for name in watched)

    def _take_arrays(self, batch: Any, names: list[str | None]) -> None:
        import pyarrow as pa

        empty = pa.repeat(pa.scalar(""), len(batch))
        positions = batch.schema.names
        arrays = []
        for name in names:
            if name is None:
                arrays.append(empty)
            else:
                arrays.append(_texts(batch.column(positions.index(name)), self._done, self._collector))
        arrays, good = _good_rows(arrays, self._done, self._collector)
        if not len(arrays[0]):
            return
        extras = pa.repeat(pa.scalar(""), len(arrays[0]))
        if self._others:
            kept = map(self._collector.extra_keeper(), compress(self._other_values(batch), good))
            extras = pa.array(list(kept), pa.string())
        self._collector.put_arrays([[*arrays, extras]])

    def _take_values(self, batch: Any) -> None:
        positions = batch.schema.names
        lists = []
        for name in self._collector.columns.reader.sources:
            if name in self.wanted:
                lists.append(_values(batch.column(positions.index(name)), self._done, self._collector))
            else:
                lists.append([None] * len(batch))
        numbers = range(self._done + 1, self._done + len(batch) + 1)
        self._collector.put_values(numbers, list(zip(*lists, strict=True)), self._other_values(batch))

    def _other_values(self, batch: Any) -> Iterator[dict[str, Any]]:
        """For each row, the values of the columns that are in no row, by name."""
        positions = batch.schema.names
        columns = {name: batch.column(positions.index(name)) for name in self._others if name in positions}
        self._collector.note_types({name: column.type for name, column in columns.items()})
        lists = [_json_values(column, self._done) for column in columns.values()]
        for values in zip(*lists, strict=True) if lists else repeat((), len(batch)):
            yield dict(zip(columns, values, strict=True))


def _sample(batch: Any) -> list[dict[str, Any]]:
    names = list(enumerate(batch.schema.names))
    lists = {name: _values(batch.column(index), 0, None) for index, name in reversed(names)}
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _values(column: Any, before: int, collector: RowCollector | None) -> list[Any]:
    """A column as Python values. Text that is not UTF-8 becomes None and a problem of its row; NaN becomes None.
    before: the number of rows of the file before these."""
    import pyarrow as pa

    if not pa.types.is_nested(column.type):
        simple = pa.types.is_boolean(column.type) or pa.types.is_integer(column.type)
        return (column if simple else _texts(column, before, collector)).to_pylist()  # type: ignore[no-any-return]
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return [_value(column[index], before + index + 1, collector) for index in range(len(column))]


def _value(scalar: Any, row: int, collector: RowCollector | None) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        if collector is not None:
            collector.problems.add(
                row, f"not UTF-8: byte {error.start + 1} of a text in the cell is 0x{error.object[error.start]:02X}"
            )
        return None


def _texts(column: Any, before: int, collector: RowCollector | None) -> pa.Array:
    """A column of any type as strings; nulls stay. A text that is not UTF-8 becomes null and a problem of its row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    data_type = column.type
    if types.is_floating(data_type):  # pandas writes NaN for a missing number
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, data_type), column)
    simple = (
        types.is_floating(data_type)
        or types.is_integer(data_type)
        or types.is_boolean(data_type)
        or types.is_decimal(data_type)
        or types.is_temporal(data_type)
    )
    texts = types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type)
    if simple or texts or types.is_binary(data_type) or types.is_large_binary(data_type):
        try:
            column = column.cast(pa.string())
            column.validate(full=True)
            return column
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            if texts:
                column = column.cast(pa.large_binary())
    values: list[str | None] = []
    for index, value in enumerate(column.to_pylist()):
        if isinstance(value, bytes):
            try:
                values.append(value.decode())
            except UnicodeDecodeError as error:
                what, advice = explain_encoding(value, error.start)
                if collector is not None:
                    collector.problems.add(before + index + 1, what.replace("of the line", "of the cell"), advice)
                values.append(None)
        else:
            values.append(None if value is None else cell_text(value))
    return pa.array(values, pa.string())


def _json_values(column: Any, before: int) -> list[Any]:
    """A column as values that JSON can hold; bytes become null. before: the number of rows of the file before these."""
    import pyarrow as pa

    if holds_bytes(column.type):
        return [BYTES if valid else None for valid in column.is_valid().to_pylist()]
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except (UnicodeDecodeError, pa.ArrowInvalid):
        return [_value(column[index], before + index + 1, None) for index in range(len(column))]


def _good_rows(arrays: list[Any], before: int, collector: RowCollector) -> tuple[list[Any], Iterable[bool]]:
    """The rows that have instruction and output, at least one of them not blank, and which they are; the others become
    problems."""
    import pyarrow.compute as pc

    required = [arrays[FIELDS.index(column)] for column in REQUIRED_COLUMNS]
    present = [array.is_valid() for array in required]
    not_blank = [pc.not_equal(pc.utf8_trim_whitespace(array), "") for array in required]
    good = pc.fill_null(pc.and_(pc.and_(*present), pc.or_kleene(*not_blank)), False)
    selectors: Iterable[bool] = repeat(True)
    if not pc.all(good).as_py():
        selectors = good.to_pylist()
        for index in pc.indices_nonzero(pc.invert(good)).to_pylist():
            missing = [name for name, valid in zip(REQUIRED_COLUMNS, present, strict=True) if not valid[index].as_py()]
            collector.problems.add(before + index + 1, explain_missing(missing))
        arrays = [array.filter(good) for array in arrays]
    return [array.fill_null("") for array in arrays], selectors
