"""`data search SOURCE TEXT`: lists the rows that contain a text in any case, with columns and the text around it."""

from __future__ import annotations

import argparse

from core.base.command_output import CommandOutput
from core.base.errors import UsageError
from core.base.plural import counted
from core.base.row import COLUMNS
from core.base.safe_text import safe_line
from core.cli.data import options
from core.data.cell_text import replace_surrogates
from core.data.search.text_patterns import python_pattern

_AROUND = 30  # characters before and after a match


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_source(parser)
    parser.add_argument("text", help="the text to find, literally")
    options.add_filters(parser, text=False)
    parser.add_argument("--limit", type=int, default=20, help="print at most this many rows")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    if not arguments.text:
        raise UsageError("no text given", "data search", "Name the text to find")
    data = options.open_source(arguments, output)
    filters = options.row_filters(arguments, arguments.text)
    selection = data.select(filters)
    output.note(f"{data.name}: {len(selection)} of {counted(len(data), 'row')} contain {safe_line(arguments.text, 60)}")
    needle = python_pattern(replace_surrogates(arguments.text))
    for row in selection.page(0, max(0, arguments.limit)):
        excerpts = {}
        for column in filters.columns or COLUMNS:
            text = getattr(row, column)
            if hit := needle.search(text):
                excerpts[column] = text[max(0, hit.start() - _AROUND) : hit.end() + _AROUND]
        output.record({"row": row.index, "found": excerpts})
        for column, words in excerpts.items():
            output.text(f"{row.index}\t{column}\t{safe_line(words, 200)}")
    return 0
