"""`data export SOURCE OUT`: writes the rows, all or those that pass the filters; the suffix of OUT picks the format."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.base.command_output import CommandOutput
from core.base.errors import DataError
from core.base.plural import counted
from core.base.safe_text import safe_line
from core.cli.data import options
from core.data.export import save_rows
from core.data.source_record import source_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_source(parser)
    parser.add_argument(
        "out", help="the file to write: .jsonl, .json, .csv, .tsv (each also .gz or .zst), .parquet or .arrow"
    )
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
    facts = {"saved": str(path), "rows": int(saved), "not_written": saved.not_written, **source_record(data)}
    if saved.aside is not None:
        facts["journal"] = str(saved.aside)
    if saved.old_file is not None:
        facts["old_file"] = str(saved.old_file)
    output.record(facts)
    output.text(f"{counted(int(saved), 'row')} saved to {path}")
    if saved.not_written:
        lost = ", ".join(f"{safe_line(name, 60)} ({count:,})" for name, count in saved.not_written.items())
        output.note(f"Not written, since a file of rows keeps no bytes: {lost}.")
    if saved.old_file is not None:
        output.note(f"The new file lacks some of what the source has; the old file is kept as {saved.old_file}.")
    if saved.aside is not None:
        output.note(f"The file now contains the edits; their journal was moved to {saved.aside}.")
    return 0
