"""`data map SOURCE`: shows the column mapping with reasons, candidates and three rows; `--set` changes it."""

from __future__ import annotations

import argparse
from typing import get_args

from core.base.command_output import CommandOutput
from core.base.errors import UsageError
from core.base.plural import counted
from core.base.row import COLUMNS, FIELDS
from core.base.safe_text import safe_line
from core.cli.data import options
from core.data.column_names_file import parse_names
from core.data.columns.column_paths import follow_path, paths_into, split_path
from core.data.columns.mapping import ColumnMapping, ColumnPick, Extraction, LeftOut
from core.data.columns.mapping_words import MARKS, marks_from_words
from core.data.columns.marks import RowMark, mark_words
from core.data.importing.column_choice import ColumnChoice, read_column_choice

SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_source(parser)
    parser.add_argument(
        "--set", action="append", default=[], metavar="COLUMN=NAME[:HOW]", dest="chosen",
        help=f"take COLUMN ({', '.join(FIELDS)}) from the source's column NAME, or from a path into its objects "
        f"such as extra.answer (empty: from none); HOW is one of {', '.join(get_args(Extraction))}. "
        f"{MARKS}=NAME[:KIND],… names the columns that mark rows as not to be learnt (empty: every row is learnt); "
        "KIND is false, true or reply, the value that leaves a row out",
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
        key, equals, value = words.partition("=")
        if equals and key == MARKS:
            mapping = mapping.with_marks(_marks(value, choice))
        else:
            mapping = mapping.with_pick(*_pick(words, choice))
    _print_columns(choice, mapping, output)
    for number, row in enumerate(choice.read(mapping, SHOWN), 1):
        if isinstance(row, str):
            output.record({"row": number, "left_out" if isinstance(row, LeftOut) else "problem": str(row)})
            output.text(f"row {number}: {row}")
            continue
        output.record({"row": number, **dict(zip(FIELDS, row, strict=True))})
        output.text(f"row {number}")
        for column, text in zip(FIELDS, row, strict=True):
            if text or column in COLUMNS:
                output.text(f"  {column:<12}{safe_line(text, 100)}")
    about = choice.sample_record(mapping)
    output.record({"sample_rows": len(choice.rows), **about})
    if about["words"]:
        output.note(f"Of its first {counted(len(choice.rows), 'row')}: {safe_line(about['words'], 500)}.")
    if arguments.save:
        path = choice.keep(mapping)
        output.record({"saved": str(path)})
        output.note(f"Saved to {path}")
    return 0


def _print_columns(choice: ColumnChoice, mapping: ColumnMapping, output: CommandOutput) -> None:
    for column in FIELDS:
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
            output.text(
                f"{'':<14}several columns fit: {', '.join(_name(pick) or 'none' for pick in mapping.unclear[column])}"
            )
        elif others:
            output.text(f"{'':<14}or {', '.join(map(_name, others[:8]))}{', …' if len(others) > 8 else ''}")
    output.record({"marks": mapping.marks})
    for number, mark in enumerate(mapping.marks):
        output.text(f"{'' if number else MARKS:<14}{safe_line(mark_words(mark), 120)}")
    if choice.saved:
        output.note("This is the saved mapping; `--set` and `--save` change it.")


def _name(pick: ColumnPick) -> str:
    name = safe_line(pick.column, 60)
    return name if pick.how == "text" or not name else f"{name}:{pick.how}"


def _pick(words: str, choice: ColumnChoice) -> tuple[str, ColumnPick]:
    column, equals, source = words.partition("=")
    if not equals or column not in FIELDS:
        do = f"Write COLUMN=NAME[:HOW]; COLUMN is one of {', '.join(FIELDS)}, or {MARKS}"
        raise UsageError(f"--set {words} does not name one of the columns of a row", "data map", do)
    if not source:
        return column, ColumnPick("", why="chosen by hand")
    name, colon, how = source.rpartition(":")
    if colon and not _is_there(source, choice) and (_is_there(name, choice) or how in get_args(Extraction)):
        _check_column(name, choice)
        if how not in get_args(Extraction):
            raise UsageError(
                f"unknown way to read a column: {how}", "data map", f"Use one of {', '.join(get_args(Extraction))}"
            )
        return column, ColumnPick(name, how, "chosen by hand")  # type: ignore[arg-type]
    _check_column(source, choice)
    likely = next((pick for pick in choice.candidates(column) if pick.column == source), ColumnPick(source))
    return column, ColumnPick(source, likely.how, "chosen by hand")


def _marks(words: str, choice: ColumnChoice) -> tuple[RowMark, ...]:
    marks = marks_from_words(words)
    for mark in marks:
        _check_column(mark.column, choice)
    return marks


def _is_there(column: str, choice: ColumnChoice) -> bool:
    """Whether the source has the column, or its first rows a value at the end of the path."""
    root, parts = split_path(column, choice.names)
    if root not in choice.names:
        return False
    return not parts or any(follow_path(row.get(root), parts) is not None for row in choice.rows)


def _check_column(column: str, choice: ColumnChoice) -> None:
    if _is_there(column, choice):
        return
    root, parts = split_path(column, choice.names)
    if parts:
        known = [path for path in paths_into(root, choice.rows) if path.startswith(f"{root}.")]
        do = f"In {root} are {', '.join(known[:30])}" if known else f"{root} holds no objects"
        raise UsageError(f"the first rows have nothing at {column}", choice.files.where, do)
    raise UsageError(
        f"the source has no column {column}", choice.files.where, f"Its columns are {', '.join(choice.names[:30])}"
    )
