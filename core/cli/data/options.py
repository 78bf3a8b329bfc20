"""Options of several data commands: the source, the filters of its rows, and their order."""

from __future__ import annotations

import argparse

from core.base.command_output import CommandOutput
from core.base.errors import UsageError
from core.base.row import COLUMNS
from core.base.safe_text import safe_line
from core.base.sentences import with_full_stop
from core.data.column_names_file import parse_names
from core.data.dataset import DataSet
from core.data.filters import RowFilters
from core.data.problems import unread_words
from core.data.source import open_data

_SPLITS_SHOWN = 20


def add_source(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    words = "a file, folder, pattern or hub name, or `demo`"
    if optional:
        parser.add_argument("source", nargs="?", default="demo", help=words)
    else:
        parser.add_argument("source", help=words)
    parser.add_argument("--split", default="", help="split of a hub data set or saved directory")
    add_names(parser)


def add_names(parser: argparse.ArgumentParser) -> None:
    words = "the columns of a CSV or TSV file that has no header; `data map` with --save keeps them"
    parser.add_argument("--names", default="", metavar="A,B", help=words)


def add_filters(parser: argparse.ArgumentParser, text: bool = True) -> None:
    parser.add_argument("--syslang", default="", help="only rows of this language")
    parser.add_argument("--sysflag", default="", help="only rows with this flag, such as train or test")
    if text:
        parser.add_argument(
            "--search",
            default="",
            metavar="TEXT",
            help="only rows in which some column contains this text, in any case",
        )
    parser.add_argument("--columns", default="", metavar="A,B", help="columns to search; default: all six")
    parser.add_argument(
        "--where",
        default="",
        metavar="SQL",
        help=f"a condition over {', '.join(COLUMNS)} and row, as in: length(output) > 200",
    )
    parser.add_argument(
        "--sort", default="", metavar="BY", help="a column, length (of the complete row) or length(COLUMN)"
    )
    parser.add_argument("--desc", action="store_true", help="descending: the last or longest first")


def row_filters(arguments: argparse.Namespace, text: str | None = None) -> RowFilters:
    columns = tuple(column.strip() for column in arguments.columns.split(",") if column.strip())
    return RowFilters(
        syslang=arguments.syslang,
        sysflag=arguments.sysflag,
        text=arguments.search if text is None else text,
        columns=columns,
        where=arguments.where,
        sort=arguments.sort,
        descending=arguments.desc,
    )


def has_filters(arguments: argparse.Namespace) -> bool:
    """Whether the options filter rows."""
    return bool(arguments.syslang or arguments.sysflag or arguments.search or arguments.where)


def open_source(arguments: argparse.Namespace, output: CommandOutput) -> DataSet:
    """Open the source; prints notes about rows that could not be read and about edits."""

    def progress(done: int, total: int) -> None:
        output.progress(
            f"Reading {arguments.source}: {done * 100 // total} %" if total else f"Reading {arguments.source}: {done:,}"
        )

    try:
        data = open_data(arguments.source, arguments.split, progress, names=parse_names(arguments.names))
    finally:
        output.progress_done()
    for note in source_notes(data):
        output.note(with_full_stop(f"{data.name}: {note}"))
    if data.not_used_words:
        output.note(with_full_stop(f"{data.name}: {data.not_used_words}"))
    if data.mapping.unclear:
        columns = " and ".join(data.mapping.unclear)
        output.note(f"{data.name}: several columns fit {columns}; `data map` shows and changes the choice.")
    if data.changes:
        output.note(
            f"{data.name}: edited: {data.changes.changed:,} changed, {data.changes.added:,} added, "
            f"{data.changes.deleted:,} deleted"
        )
    return data


def source_notes(data: DataSet) -> list[str]:
    """What the user should know about a source before its rows: what cannot be read, how the rest is read, and which
    splits are not open. Safe sentences without full stops."""
    notes = []
    if data.problem_count:
        first = data.problems[0]
        rows = unread_words(data.problem_kinds)
        where = f"{first.file}{':' if first.file and first.row else ''}{first.row or ''}" or "the complete file"
        notes.append(
            f"{rows} could not be read or {'is' if data.problem_count == 1 else 'are'} incomplete, the first at "
            f"{safe_line(where, 100)} ({safe_line(first.what, 200)}); `data show --problems` lists them"
        )
    notes += [safe_line(note, 300) for note in data.notes]
    if data.other_splits:
        others = ", ".join(data.other_splits[:_SPLITS_SHOWN]) + (
            ", …" if len(data.other_splits) > _SPLITS_SHOWN else ""
        )
        notes.append(f"the split {safe_line(data.split, 60)} is open; --split opens another: {safe_line(others, 200)}")
    return notes


def parse_assignment(words: str) -> tuple[str, str]:
    """The column and the value of COLUMN=VALUE."""
    column, equals, value = words.partition("=")
    if not equals or column not in COLUMNS:
        raise UsageError(f"{words} is not COLUMN=VALUE", "data edit", f"Columns are {', '.join(COLUMNS)}")
    return column, value
