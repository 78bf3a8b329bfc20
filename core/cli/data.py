"""`data SOURCE`: rows, counts, filters, and what could not be read."""

from __future__ import annotations

import argparse

from core.data.source import open_data
from core.errors import DataError
from core.output import Output
from core.row import COLUMNS, Row
from core.safe_text import safe_line
from core.session import Filters

SHOWN = 20  # values of a column named with their counts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="?", default="demo", help="csv, tsv, json, jsonl or parquet file, saved directory, hub name, or `demo`")
    parser.add_argument("--split", default="", help="split of a hub data set or saved directory")
    parser.add_argument("--syslang", default="", help="only rows of this language")
    parser.add_argument("--sysflag", default="", help="only rows with this flag, such as train or test")
    parser.add_argument("--search", default="", help="only rows in which some column contains this text")
    parser.add_argument("--offset", type=int, default=0, help="skip so many rows")
    parser.add_argument("--limit", type=int, default=10, help="print at most so many rows")
    parser.add_argument("--row", type=int, help="one row whole, by its index from 0")
    parser.add_argument("--problems", action="store_true", help="list the rows that could not be read")


def run(arguments: argparse.Namespace, output: Output) -> int:
    data = open_data(arguments.source, arguments.split)
    if data.problem_count:
        first = data.problems[0]
        output.note(
            f"{data.name}: {data.problem_count} rows could not be read or are incomplete, the first at {first.row} ({safe_line(first.what, 200)});"
            " `--problems` lists them."
        )
    if arguments.problems:
        for problem in data.problems:
            output.record(problem)
            output.text(f"{problem.row}\t{problem.what}")
        if data.problem_count > len(data.problems):
            output.note(f"{data.problem_count - len(data.problems)} more are not kept.")
        return 0
    if arguments.row is not None:
        if not 0 <= arguments.row < len(data):
            raise DataError(f"there is no row {arguments.row}", data.name, f"Rows run from 0 to {len(data) - 1}")
        row = data.row(arguments.row)
        output.record(row)
        for column in COLUMNS:
            output.text(f"{column}\n  " + getattr(row, column).replace("\n", "\n  "))
        return 0
    selection = data.select(Filters(arguments.syslang, arguments.sysflag, arguments.search))
    for column, values in data.facets().items():
        if values:
            more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
            output.note(f"{column}: " + ", ".join(f"{safe_line(value, 40) or '(empty)'} {count}" for value, count in values[:SHOWN]) + more)
    output.note(f"{data.name}: {len(data)} rows, {len(selection)} selected")
    for row in selection.page(max(0, arguments.offset), max(0, arguments.limit)):
        output.record(row)
        output.text(_line(row))
    return 0


def _line(row: Row) -> str:
    flags = (safe_line(row.syslang, 20), safe_line(row.sysflag, 20))
    return "\t".join((str(row.index), *flags, safe_line(row.instruction, 80), safe_line(row.output, 40)))
