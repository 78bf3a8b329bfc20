"""`data export SOURCE OUT`: writes the rows, all or those that pass the filters; the suffix of OUT picks the format."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.base.command_output import CommandOutput
from core.base.errors import DataError
from core.base.plural import counted
from core.cli.data import options
from core.data.export import save_rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_source(parser)
    parser.add_argument("out", help="the file to write: .jsonl, .csv, .tsv (each also .gz or .zst) or .parquet")
    options.add_filters(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    path = Path(arguments.out).expanduser()
    if path.exists() and not arguments.overwrite:
        raise DataError("the file already exists", str(path), "Name another, or give --overwrite")
    data = options.open_source(arguments, output)
    selection = data.select(options.row_filters(arguments))
    try:
        saved = save_rows(
            data, path, selection, lambda done, total: output.progress(f"Writing {path.name}: {done * 100 // total} %")
        )
    finally:
        output.progress_done()
    facts = {"saved": str(path), "rows": int(saved)}
    output.record({**facts, "journal": str(saved.aside)} if saved.aside is not None else facts)
    output.text(f"{counted(int(saved), 'row')} saved to {path}")
    if saved.aside is not None:
        output.note(f"The file now contains the edits; their journal was moved to {saved.aside}.")
    return 0
