"""Comma, semicolon or tab separated values with a header. Streams: what is in memory is a batch of rows."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from core.base.errors import DataError
from core.base.row import COLUMNS
from core.data.columns.mapping import blank, lacking
from core.data.columns.settled_columns import SAMPLE_CHARS, SAMPLE_ROWS
from core.data.formats.record_intake import BATCH_CHARS, BATCH_ROWS, Intake
from core.data.formats.text_decoding import Source, blocks, explain, open_utf8

_LONGEST_CELL = 64 << 20  # a quote that is never closed swallows rows up to here, not up to the end of memory
_LONGEST_ROW = 50_000  # lines, for the same reason


class _Unclosed(Exception):
    """A row has more lines than a row can have."""


class _Lines:
    """The stream as text lines for `csv`, which wants each with its line end. `wrong` holds lines that are not UTF-8,
    by number.

    The lines of the row that is being read are kept: where its quotes turn out to be wrong, those after its first are
    read once more, as rows.
    """

    def __init__(self, source: Source) -> None:
        self._fresh = self._decoded(source)
        self._again: deque[str] = deque()
        self._row: list[str] = []
        self.number = 0
        self.wrong: dict[int, tuple[str, str]] = {}

    def _decoded(self, source: Source) -> Iterator[str]:
        number = 0
        for block in blocks(source):
            for line in block.split(b"\n")[: -1 if block.endswith(b"\n") else None]:
                number += 1
                try:
                    yield line.decode() + "\n"
                except UnicodeDecodeError as error:
                    self.wrong[number] = explain(line, error.start)
                    yield line.decode("utf-8", "replace") + "\n"

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._row) >= _LONGEST_ROW:
            raise _Unclosed
        line = self._again.popleft() if self._again else next(self._fresh)
        self.number += 1
        self._row.append(line)
        return line

    def begin(self) -> None:
        """A row begins with the next line."""
        self._row = []

    def back(self, kept: int) -> None:
        """Of the lines since `begin`, those after the first `kept` come again."""
        lines = self._row[kept:]
        self._again.extendleft(reversed(lines))
        self.number -= len(lines)
        self._row = []

    def take_wrong(self) -> dict[int, tuple[str, str]]:
        """The lines up to here that are not UTF-8; each is told once."""
        told = {number: words for number, words in self.wrong.items() if number <= self.number}
        for number in told:
            del self.wrong[number]
        return told


def read_csv(path: Path, intake: Intake, delimiter: str) -> None:
    csv.field_size_limit(_LONGEST_CELL)
    source = open_utf8(path, intake.problems)
    try:
        _read(source, path.stat().st_size, intake, delimiter)
    finally:
        source.close()


def _read(source: Source, total: int, intake: Intake, delimiter: str) -> None:
    lines = _Lines(source)
    first = next((line for line in lines if line.strip()), "")
    if lines.wrong:
        what, advice = lines.wrong[lines.number]
        raise DataError(f"the header, line {lines.number}: {what}", intake.where, advice)
    if delimiter not in first:  # Excel writes semicolons in many countries
        delimiter = next((other for other in ("\t", ";", ",") if other in first), delimiter)
    lines.back(lines.number - 1)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except (csv.Error, _Unclosed) as error:
        raise DataError(
            f"the header, line {lines.number}: {_why(str(error)) or 'a quote is not closed'}",
            intake.where,
            "Save it with line feeds (LF) between rows",
        ) from error
    rows = _rows(reader, lines, len(header), intake)
    sample, chars = [], 0
    for number, fields in rows:
        sample.append((number, fields))
        chars += sum(map(len, fields))
        if len(sample) >= SAMPLE_ROWS or chars >= SAMPLE_CHARS:
            break
    intake.columns.learn(header, [dict(zip(header, fields, strict=True)) for _, fields in sample])
    intake.columns.check(intake.where)
    put = _plain(intake, header) if intake.columns.mapping.plain else _by_reader(intake, header)
    batch, chars = [], 0
    for number, fields in chain(sample, rows):
        batch.append((number, fields))
        chars += sum(map(len, fields))
        if len(batch) >= BATCH_ROWS or chars >= BATCH_CHARS:
            put(batch)
            intake.progress(source.done, total)
            batch, chars = [], 0
    put(batch)


_Put = Callable[[list[tuple[int, list[str]]]], None]


def _plain(intake: Intake, header: list[str]) -> _Put:
    """Takes rows of which every column is taken as it stands."""
    names = [intake.columns.mapping.source(column) for column in COLUMNS]
    places = [header.index(name) if name in header else -1 for name in names]

    def put(batch: list[tuple[int, list[str]]]) -> None:
        good = []
        for number, fields in batch:
            row = [fields[place] if place >= 0 else "" for place in places]
            if blank(row[0], row[3]):
                intake.problems.add(number, lacking([]))
            else:
                good.append(row)
        if good:
            intake.put(list(zip(*good, strict=True)))

    return put


def _by_reader(intake: Intake, header: list[str]) -> _Put:
    places = [header.index(name) if name in header else -1 for name in intake.columns.reader.sources]

    def put(batch: list[tuple[int, list[str]]]) -> None:
        intake.put_values(
            [number for number, _ in batch],
            [[fields[place] if place >= 0 else None for place in places] for _, fields in batch],
        )

    return put


def _rows(reader: Iterator[list[str]], lines: _Lines, width: int, intake: Intake) -> Iterator[tuple[int, list[str]]]:
    """The rows of the header's width, each with the number of its first line; the others are problems, and cost no line
    but their first."""
    while True:
        lines.begin()
        start = lines.number + 1
        fields: list[str] | None = []
        try:
            fields = next(reader, None)
            what = ""
        except _Unclosed:
            what = f"a quote opened here is not closed within {_LONGEST_ROW:,} lines"
        except csv.Error as error:
            what = _why(str(error))
        if fields is None:
            return
        if not what and fields and len(fields) != width:
            what = f"{len(fields)} fields where the header has {width}"
        several = lines.number > start
        if what and several:
            lines.back(1)
        if wrong := lines.take_wrong():
            for number, (why, advice) in wrong.items():
                intake.problems.add(number, why, advice)
        elif what:
            intake.problems.add(
                start, what + (" (a quote opened here may not be closed)" if several and "quote" not in what else "")
            )
        elif fields:
            yield start, fields


def _why(error: str) -> str:
    """The words of `csv`, in ours where a quote is wrong."""
    if "expected after" in error:
        return "text follows a closing quote; a quote inside a quoted field is written twice"
    if "unexpected end" in error:
        return "a quote opened here is not closed"
    if "field limit" in error:
        return f"a quote opened here is not closed within {_LONGEST_CELL >> 20} MB"
    return error
