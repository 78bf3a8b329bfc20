"""`data map SOURCE`: shows the column mapping with reasons, candidates and three rows; `--set` changes it."""

from __future__ import annotations

import argparse
from typing import get_args

from core.base.command_output import CommandOutput
from core.base.errors import UsageError
from core.base.row import COLUMNS, FIELDS
from core.base.safe_text import safe_line
from core.cli.data import options
from core.data.column_names_file import parse_names
from core.data.columns.mapping import ColumnMapping, ColumnPick, Extraction
from core.data.importing.column_choice import ColumnChoice, read_column_choice

SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_source(parser)
    parser.add_argument(
        "--set", action="append", default=[], metavar="COLUMN=NAME[:HOW]", dest="chosen",
        help=f"take COLUMN ({', '.join(COLUMNS)}) from the source's column NAME (empty: from none); "
        f"HOW is one of {', '.join(get_args(Extraction))}",
    )  # fmt: skip
    parser.add_argument(
        "--save", action="store_true", help="save the mapping beside the data; the source is opened with it from now on"
    )


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    choice = read_column_choice(arguments.source, arguments.split, parse_names(arguments.names))
    if choice.lacks_names:
        output.note(
            "The first line looks like a row, not names: --names A,B names the columns, --save keeps the names."
        )
    mapping = choice.mapping
    for words in arguments.chosen:
        mapping = mapping.with_pick(*_pick(words, choice))
    _print_columns(choice, mapping, output)
    for number, row in enumerate(choice.read(mapping, SHOWN), 1):
        if isinstance(row, str):
            output.record({"row": number, "problem": row})
            output.text(f"row {number}: {row}")
            continue
        output.record({"row": number, **dict(zip(FIELDS, row, strict=True))})
        output.text(f"row {number}")
        for column, text in zip(FIELDS, row, strict=True):
            if text or column in COLUMNS:
                output.text(f"  {column:<12}{safe_line(text, 100)}")
    if arguments.save:
        path = choice.keep(mapping)
        output.record({"saved": str(path)})
        output.note(f"Saved to {path}")
    return 0


def _print_columns(choice: ColumnChoice, mapping: ColumnMapping, output: CommandOutput) -> None:
    for column in COLUMNS:
        pick = mapping.picks.get(column, ColumnPick(""))
        others = [
            other
            for other in choice.candidates(column)
            if other.column and (other.column, other.how) != (pick.column, pick.how)
        ]
        output.record({"column": column, "source": pick, "unclear": column in mapping.unclear, "candidates": others})
        why = f"  ({safe_line(pick.why, 120)})" if pick.why else ""
        output.text(f"{column:<14}{_name(pick) or '-'}{why}")
        if column in mapping.unclear:
            output.text(f"{'':<14}several columns fit: {', '.join(map(_name, mapping.unclear[column]))}")
        elif others:
            output.text(f"{'':<14}or {', '.join(map(_name, others[:8]))}{', …' if len(others) > 8 else ''}")
    if choice.saved:
        output.note("This is the saved mapping; `--set` and `--save` change it.")


def _name(pick: ColumnPick) -> str:
    name = safe_line(pick.column, 60)
    return name if pick.how == "text" or not name else f"{name}:{pick.how}"


def _pick(words: str, choice: ColumnChoice) -> tuple[str, ColumnPick]:
    column, equals, source = words.partition("=")
    if not equals or column not in COLUMNS:
        do = f"Write COLUMN=NAME[:HOW]; COLUMN is one of {', '.join(COLUMNS)}"
        raise UsageError(f"--set {words} does not name one of the six columns", "data map", do)
    if not source:
        return column, ColumnPick("", why="chosen by hand")
    name, colon, how = source.rpartition(":")
    if colon and name in choice.names and source not in choice.names:
        if how not in get_args(Extraction):
            raise UsageError(
                f"unknown way to read a column: {how}", "data map", f"Use one of {', '.join(get_args(Extraction))}"
            )
        return column, ColumnPick(name, how, "chosen by hand")  # type: ignore[arg-type]
    if source not in choice.names:
        raise UsageError(
            f"the source has no column {source}", choice.files.where, f"Its columns are {', '.join(choice.names[:30])}"
        )
    likely = next((pick for pick in choice.candidates(column) if pick.column == source), ColumnPick(source))
    return column, ColumnPick(source, likely.how, "chosen by hand")
