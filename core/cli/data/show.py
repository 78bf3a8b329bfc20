"""`data show SOURCE`: rows, counts, filters, order, and what could not be read."""

from __future__ import annotations

import argparse

from core.base.command_output import CommandOutput
from core.base.errors import DataError
from core.base.plural import counted
from core.base.row import COLUMNS, Row
from core.base.safe_text import safe_line
from core.cli.data import options
from core.data.dataset import DataSet
from core.data.source_record import source_record

SHOWN = 20  # distinct values of a column that are listed with their counts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_source(parser, optional=True)
    options.add_filters(parser)
    parser.add_argument("--offset", type=int, default=0, help="skip this many rows")
    parser.add_argument("--limit", type=int, default=10, help="print at most this many rows")
    parser.add_argument("--row", type=int, help="one complete row, by its index from 0")
    parser.add_argument("--problems", action="store_true", help="list the rows that could not be read")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    data = options.open_source(arguments, output)
    if arguments.problems:
        for problem in data.problems:  # row 0 is the complete file
            output.record(problem)
            output.text(
                f"{problem.file}{':' if problem.file and problem.row else ''}{problem.row or ''}\t{problem.what}"
            )
        if data.problem_count > len(data.problems):
            output.note(f"{data.problem_count - len(data.problems)} more are counted but not listed.")
        return 0
    if arguments.row is not None:
        _print_row(data, arguments.row, output)
        return 0
    selection = data.select(options.row_filters(arguments))
    for column, values in data.facets().items():
        if values:
            more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
            output.note(
                f"{column}: "
                + ", ".join(f"{safe_line(value, 40) or '(empty)'} {count}" for value, count in values[:SHOWN])
                + more
            )
    output.note(f"{data.name}: {counted(len(data), 'row')}, {len(selection):,} selected")
    for row in selection.page(max(0, arguments.offset), max(0, arguments.limit)):
        output.record(row.as_record())
        output.text(_line(row))
    output.record({"rows": len(data), "selected": len(selection), **source_record(data)})
    return 0


def _print_row(data: DataSet, index: int, output: CommandOutput) -> None:
    try:
        row = data.row(index)
    except IndexError as error:
        raise DataError(
            f"there is no row {index}", data.name, f"Rows run from 0 to {data.highest}, without deleted ones"
        ) from error
    output.record(row.as_record())
    for column in COLUMNS:
        output.text(f"{column}\n  " + getattr(row, column).replace("\n", "\n  "))


def _line(row: Row) -> str:
    flags = (safe_line(row.syslang, 20), safe_line(row.sysflag, 20))
    return "\t".join((str(row.index), *flags, safe_line(row.instruction, 80), safe_line(row.output, 40)))
