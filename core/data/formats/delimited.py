"""CSV and TSV with a header, or with the user's names: reading, the first rows before the import, and writing.

Keeps one batch in memory.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from core.base.errors import DataError
from core.base.plural import counted
from core.base.row import FIELDS
from core.data.columns.column_names import RELEVANT_NAMES, normalized_name
from core.data.columns.mapping import ColumnMapping, explain_missing, is_blank_row
from core.data.columns.settled_columns import SAMPLE_CHARS, SAMPLE_ROWS
from core.data.formats.delimiters import likely_delimiter, looks_like_row, separator_line
from core.data.formats.early_rows import EarlyRows
from core.data.formats.marker_search import texts_have_markers
from core.data.formats.row_collector import BATCH_CHARS, BATCH_ROWS, RowCollector, SourceFacts
from core.data.formats.text_decoding import ByteSource, open_utf8, split_blocks
from core.data.formats.text_encoding import explain_encoding
from core.data.formats.text_files import open_head, read_text_files
from core.data.formats.written_rows import WrittenColumn, WrittenRows, cell_texts
from core.data.problems import RowProblems

_JUDGED_LINES = 20  # lines by which the delimiter is judged
_LONGEST_CELL = 64 << 20  # characters; limits how much a quote that is never closed can take into memory
_LONGEST_ROW = 50_000  # lines, for the same reason

_NumberedRow = tuple[int, list[str]]
"""The number of a row's first line, and its fields."""
_TakeRows = Callable[[list[_NumberedRow]], None]


class DelimitedFormat:
    """Values separated by `delimiter`, or by the delimiter in a file's header: Excel writes semicolons in many
    countries."""

    def __init__(self, delimiter: str, names: Sequence[str] = ()) -> None:
        self._delimiter, self._names = delimiter, names

    def with_names(self, names: Sequence[str]) -> DelimitedFormat:
        """The same format for files whose first line is a row, with the user's names for the columns."""
        return DelimitedFormat(self._delimiter, names)

    def read_files(self, paths: Sequence[Path], collector: RowCollector) -> None:
        """Pass every row to `collector`. A row that does not fit the header becomes a problem; the others are read."""
        read_text_files(paths, collector, self._read_file)

    def open_early(
        self, paths: Sequence[Path], where: str, mapping: ColumnMapping | None
    ) -> tuple[EarlyRows, SourceFacts]:
        """The first rows. Raises DataError, OSError."""
        return open_head(paths, where, mapping, self._read_file)

    @contextmanager
    def open_writer(self, stream: Any, columns: tuple[WrittenColumn, ...]) -> Iterator[Callable[[WrittenRows], None]]:
        """The function that writes one batch to the binary `stream`; every value is quoted."""
        stream.write(self._encode_rows([[column.name] for column in columns]))
        yield lambda rows: stream.write(self._encode_rows(cell_texts(rows)))

    def _read_file(self, path: Path, collector: RowCollector) -> None:
        csv.field_size_limit(_LONGEST_CELL)
        source = open_utf8(path, collector.problems)
        try:
            _read_source(source, path.stat().st_size, collector, self._delimiter, self._names)
        finally:
            source.close()

    def _encode_rows(self, columns: Sequence[Sequence[str]]) -> bytes:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=self._delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerows(zip(*columns, strict=True))
        return out.getvalue().encode()


class _UnclosedQuote(Exception):
    """A row has more lines than a row can have."""


class _NumberedLines:
    """The stream as text lines for `csv`, each with its line end. `undecoded` has the fault and the advice for lines
    that are not UTF-8, by number.

    The lines of the current row are kept: where its quotes turn out to be wrong, the lines after its first are read
    again, as rows.
    """

    def __init__(self, source: ByteSource, problems: RowProblems) -> None:
        self._problems = problems
        self._fresh = self._decoded(source)
        self._again: deque[str] = deque()
        self._row: list[str] = []
        self.number = 0
        self.undecoded: dict[int, tuple[str, str]] = {}

    def _decoded(self, source: ByteSource) -> Iterator[str]:
        number = 0
        for block in split_blocks(source):
            for line in block.split(b"\n")[: -1 if block.endswith(b"\n") else None]:
                number += 1
                try:
                    yield line.decode() + "\n"
                except UnicodeDecodeError as error:
                    self.undecoded[number] = explain_encoding(line, error.start, self._problems.encoding)
                    yield line.decode("utf-8", "replace") + "\n"

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._row) >= _LONGEST_ROW:
            raise _UnclosedQuote
        line = self._again.popleft() if self._again else next(self._fresh)
        self.number += 1
        self._row.append(line)
        return line

    def begin_row(self) -> None:
        """A row begins with the next line."""
        self._row = []

    def go_back(self, skip: int) -> None:
        """Return the lines since `begin_row` again, except the first `skip`."""
        lines = self._row[skip:]
        self._again.extendleft(reversed(lines))
        self.number -= len(lines)
        self._row = []

    def take_undecoded(self) -> dict[int, tuple[str, str]]:
        """The lines read so far that are not UTF-8, each only once."""
        passed = {number: words for number, words in self.undecoded.items() if number <= self.number}
        for number in passed:
            del self.undecoded[number]
        return passed


def _read_source(source: ByteSource, total: int, collector: RowCollector, delimiter: str, names: Sequence[str]) -> None:
    lines = _NumberedLines(source, collector.problems)
    first = _first_line(lines)
    if mark := separator_line(first):
        first = _first_line(lines)
    header_line = lines.number
    if header_line in lines.undecoded and not names:
        what, advice = lines.undecoded[header_line]
        raise DataError(f"the header, line {header_line}: {what}", collector.where, advice)
    beginning = _beginning(lines, first)
    delimiter = mark or likely_delimiter(beginning, delimiter, len(names))
    lines.go_back(header_line - 1)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    if names:
        header = list(names)
        _check_names(beginning, delimiter, header, collector.where)
        if _is_header(next(csv.reader(beginning, delimiter=delimiter), []), names):
            next(reader, None)
    else:
        header = _header(reader, lines, collector.where)
    rows = _fitting_rows(reader, lines, len(header), collector)
    sample: list[_NumberedRow] = []
    chars = 0
    for number, fields in rows:
        sample.append((number, fields))
        chars += sum(map(len, fields))
        if len(sample) >= SAMPLE_ROWS or chars >= SAMPLE_CHARS:
            break
    collector.columns.add_names(header, [dict(zip(header, fields, strict=True)) for _, fields in sample])
    try:
        collector.columns.check(collector.where)
    except DataError as error:
        if names:
            raise
        raise (_without_names if looks_like_row(header) else _perhaps_without_names)(error, header) from None
    take_rows = _take_as_is(collector, header) if collector.columns.plain else _take_by_reader(collector, header)
    batch: list[_NumberedRow] = []
    chars = 0
    for number, fields in chain(sample, rows):
        batch.append((number, fields))
        chars += sum(map(len, fields))
        if len(batch) >= BATCH_ROWS or chars >= BATCH_CHARS:
            take_rows(batch)
            collector.progress(source.done, total)
            batch, chars = [], 0
    take_rows(batch)


def _first_line(lines: _NumberedLines) -> str:
    """The next line that is not blank; empty at the end."""
    return next((line for line in lines if line.strip()), "")


def _beginning(lines: _NumberedLines, first: str) -> list[str]:
    """`first` and some lines after it, by which the delimiter is judged."""
    beginning, chars = [first], len(first)
    while len(beginning) < _JUDGED_LINES and chars < SAMPLE_CHARS and (line := next(lines, "")):
        beginning.append(line)
        chars += len(line)
    return beginning


def _header(reader: Iterator[list[str]], lines: _NumberedLines, where: str) -> list[str]:
    """The names in the first line. Raises DataError where it cannot be read."""
    try:
        return next(reader, [])
    except (csv.Error, _UnclosedQuote) as error:
        what = _quote_problem(str(error)) or "a quote is not closed"
        do = "Save it with line feeds (LF) between rows"
        raise DataError(f"the header, line {lines.number}: {what}", where, do) from error


def _check_names(beginning: Sequence[str], delimiter: str, names: Sequence[str], where: str) -> None:
    """Raises DataError where most rows have more or fewer fields than there are names."""
    try:
        widths = [len(row) for row in csv.reader(beginning, delimiter=delimiter) if row]
    except csv.Error:
        return
    usual = max(set(widths), key=widths.count, default=len(names))
    if usual != len(names):
        what = f"{counted(len(names), 'name')} for its columns, but its rows have {counted(usual, 'field')}"
        raise DataError(what, where, "Give one name for each field, as in --names instruction,output")


def _is_header(row: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the first row only repeats the names, or numbers the columns as pandas does."""
    cells = [cell.strip().lower() for cell in row]
    return cells == [name.lower() for name in names] or cells == [str(number) for number in range(len(names))]


def _without_names(error: DataError, header: Sequence[str]) -> DataError:
    """The error of a table whose first line is a row."""
    shown = ", ".join(cell if len(cell) <= 40 else cell[:40] + "…" for cell in header[:5])
    do = f"Name its columns: --names {_names_example(header)}; `data map` with --save keeps them"
    return DataError(f"the first line looks like a row, not names: {shown}", error.where, do)


def _perhaps_without_names(error: DataError, header: Sequence[str]) -> DataError:
    """The error of a table whose first line may be a row, since none of its cells is a known name."""
    if any(normalized_name(cell) in RELEVANT_NAMES for cell in header):
        return error
    do = f"If the first line is a row, name the columns: --names {_names_example(header)}. {error.do}"
    return DataError(error.what, error.where, do)


def _names_example(header: Sequence[str]) -> str:
    """Names for as many columns."""
    names = ["instruction", "output", *(f"column{number}" for number in range(3, len(header) + 1))]
    return ",".join(names) if len(header) > 1 else "NAME,NAME"


def _take_as_is(collector: RowCollector, header: list[str]) -> _TakeRows:
    """For a mapping that takes every column unchanged."""
    names = [collector.columns.mapping.source_in(column, header) for column in FIELDS]
    positions = [header.index(name) if name is not None else -1 for name in names]
    others = _other_columns(collector, header)
    watched = collector.columns.mapping.watched
    take_apart = _take_by_reader(collector, header)

    def take_rows(batch: list[_NumberedRow]) -> None:
        good, good_rows = [], []
        for number, fields in batch:
            row = [fields[position] if position >= 0 else "" for position in positions]
            if is_blank_row(row[0], row[3]):
                collector.problems.add(number, explain_missing([]))
            else:
                good.append(row)
                good_rows.append((number, fields))
        columns: list[Sequence[str]] = list(zip(*good, strict=True))
        if good and texts_have_markers(columns, watched):
            take_apart(good_rows)
        elif good:
            extras = [{name: fields[position] for position, name in others} for _, fields in good_rows]
            collector.put([*columns, list(map(collector.extra_keeper(), extras))])

    return take_rows


def _take_by_reader(collector: RowCollector, header: list[str]) -> _TakeRows:
    positions = [header.index(name) if name in header else -1 for name in collector.columns.reader.sources]
    others = _other_columns(collector, header)

    def take_rows(batch: list[_NumberedRow]) -> None:
        values = [[fields[position] if position >= 0 else None for position in positions] for _, fields in batch]
        extras = ({name: fields[position] for position, name in others} for _, fields in batch)
        collector.put_values([number for number, _ in batch], values, extras)

    return take_rows


def _other_columns(collector: RowCollector, header: list[str]) -> list[tuple[int, str]]:
    """Position and name of the columns whose values are in no row."""
    taken = collector.columns.taken
    return [(position, name) for position, name in enumerate(header) if name not in taken]


def _fitting_rows(
    reader: Iterator[list[str]], lines: _NumberedLines, width: int, collector: RowCollector
) -> Iterator[_NumberedRow]:
    """The rows as wide as the header. Any other row becomes a problem; only its first line is lost."""
    while True:
        lines.begin_row()
        start = lines.number + 1
        fields: list[str] | None = []
        try:
            fields = next(reader, None)
            what = ""
        except _UnclosedQuote:
            what = f"a quote opened here is not closed within {_LONGEST_ROW:,} lines"
        except csv.Error as error:
            what = _quote_problem(str(error))
        if fields is None:
            return
        if not what and fields and len(fields) != width:
            what = f"{counted(len(fields), 'field')} where the header has {width}"
        several = lines.number > start
        if what and several:
            lines.go_back(1)
        if undecoded := lines.take_undecoded():
            for number, (why, advice) in undecoded.items():
                collector.problems.add(number, why, advice)
        elif what:
            if several and "quote" not in what:
                what += " (a quote opened here may not be closed)"
            collector.problems.add(start, what)
        elif fields:
            yield start, fields


def _quote_problem(error: str) -> str:
    """The error of `csv`, in clearer words where a quote is wrong."""
    if "expected after" in error:
        return "text follows a closing quote; a quote inside a quoted field is written twice"
    if "unexpected end" in error:
        return "a quote opened here is not closed"
    if "field limit" in error:
        return f"a quote opened here is not closed within {_LONGEST_CELL >> 20} MB"
    return error
