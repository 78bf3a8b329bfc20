"""Comma, semicolon or tab separated values with a header. Streams: what is in memory is a batch of rows."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from core.data.columns.mapping import blank, lacking
from core.data.reading.encoding import Source, blocks, explain, open_utf8
from core.data.reading.intake import BATCH_CHARS, BATCH_ROWS, Intake
from core.data.reading.learned import SAMPLE_CHARS, SAMPLE_ROWS
from core.errors import DataError
from core.row import COLUMNS

_LONGEST_CELL = 256 << 20  # a quote that is never closed swallows rows up to here, not up to the end of memory


class _Lines:
    """The stream as text lines for `csv`, which wants each with its line end. `wrong` holds lines that are not UTF-8, by number."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.number = 0
        self.wrong: dict[int, tuple[str, str]] = {}

    def __iter__(self) -> Iterator[str]:
        for block in blocks(self._source):
            for line in block.split(b"\n")[: -1 if block.endswith(b"\n") else None]:
                self.number += 1
                try:
                    yield line.decode() + "\n"
                except UnicodeDecodeError as error:
                    self.wrong[self.number] = explain(line, error.start)
                    yield line.decode("utf-8", "replace") + "\n"


def read_csv(path: Path, intake: Intake, delimiter: str) -> None:
    csv.field_size_limit(_LONGEST_CELL)
    source = open_utf8(path, intake.problems)
    try:
        _read(source, path.stat().st_size, intake, delimiter)
    finally:
        source.close()


def _read(source: Source, total: int, intake: Intake, delimiter: str) -> None:
    lines = _Lines(source)
    stream = iter(lines)
    first = next((line for line in stream if line.strip()), "")
    if lines.wrong:
        what, advice = lines.wrong[lines.number]
        raise DataError(f"the header, line {lines.number}: {what}", intake.where, advice)
    if delimiter not in first:  # Excel writes semicolons in many countries
        delimiter = next((other for other in ("\t", ";", ",") if other in first), delimiter)

    def rest() -> Iterator[str]:
        yield first
        yield from stream

    reader = csv.reader(rest(), delimiter=delimiter)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise DataError(f"the header, line {lines.number}: {error}", intake.where, "Save it with line feeds (LF) between rows") from error
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
        intake.put_values([number for number, _ in batch], [[fields[place] if place >= 0 else None for place in places] for _, fields in batch])

    return put


def _rows(reader: Iterator[list[str]], lines: _Lines, width: int, intake: Intake) -> Iterator[tuple[int, list[str]]]:
    """The rows of the header's width, each with the number of its first line; the others are problems."""
    start = lines.number + 1
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            what = "a quote opened here is not closed within 256 MB" if "field limit" in str(error) else str(error)
            intake.problems.add(start, what)
            start = lines.number + 1
            continue
        if fields is None:
            return
        number, start = start, lines.number + 1
        if lines.wrong:
            for wrong, (what, advice) in lines.wrong.items():
                intake.problems.add(wrong, what, advice)
            lines.wrong.clear()
        elif len(fields) == width:
            yield number, fields
        elif fields:
            several = " (a quote opened here may not be closed)" if start - 1 > number else ""
            intake.problems.add(number, f"{len(fields)} fields where the header has {width}{several}")
