"""Comma, semicolon or tab separated values with a header. Streams: what is in memory is a batch of rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from core.data.encoding import Source, blocks, explain, open_utf8
from core.data.intake import BATCH_CHARS, BATCH_ROWS, Intake, blank, lacking
from core.errors import DataError
from core.row import COLUMNS

_LONGEST_CELL = 256 << 20  # a quote that is never closed swallows rows up to here, not up to the end of memory


class _Lines:
    """The stream as text lines for `csv`, which wants each with its line end. `wrong` holds lines that are not UTF-8, by number."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.number = 0
        self.done = 0
        self.wrong: dict[int, tuple[str, str]] = {}

    def __iter__(self) -> Iterator[str]:
        for block in blocks(self._source):
            for line in block.split(b"\n")[: -1 if block.endswith(b"\n") else None]:
                self.number += 1
                self.done += len(line) + 1
                try:
                    yield line.decode() + "\n"
                except UnicodeDecodeError as error:
                    self.wrong[self.number] = explain(line, error.start)
                    yield line.decode("utf-8", "replace") + "\n"


def read_csv(path: Path, intake: Intake, delimiter: str) -> None:
    csv.field_size_limit(_LONGEST_CELL)
    source = open_utf8(path)
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
    intake.columns.learn(header)
    intake.columns.check(intake.where)
    places = [header.index(intake.columns.used[column]) if column in intake.columns.used else -1 for column in COLUMNS]
    good: list[list[str]] = []
    chars, start = 0, lines.number + 1
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            what = "a quote opened here is not closed within 256 MB" if "field limit" in str(error) else str(error)
            intake.problems.add(start, what)
            start = lines.number + 1
            continue
        if fields is None:
            break
        if lines.wrong:
            for number, (what, advice) in lines.wrong.items():
                intake.problems.add(number, what, advice)
            lines.wrong.clear()
        elif len(fields) != len(header):
            if fields:
                several = " (a quote opened here may not be closed)" if lines.number > start else ""
                intake.problems.add(start, f"{len(fields)} fields where the header has {len(header)}{several}")
        else:
            row = [fields[place] if place >= 0 else "" for place in places]
            if blank(row[0], row[3]):
                intake.problems.add(start, lacking([]))
            else:
                good.append(row)
                chars += sum(map(len, row))
        start = lines.number + 1
        if len(good) >= BATCH_ROWS or chars >= BATCH_CHARS:
            intake.put(list(zip(*good, strict=True)))
            intake.progress(lines.done, total)
            good, chars = [], 0
    if good:
        intake.put(list(zip(*good, strict=True)))
