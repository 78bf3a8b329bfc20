"""What opening, paging and searching a large data set costs: `python -m bench.data [ROWS]`.

    ROWS                   default 1,000,000; about 0.5 KB a row
    --short 10,000,000     also a Parquet file of so many short rows
    --only open|search     only one part
    --harlequin PROGRAM    open the same Parquet in Harlequin (in its own environment: pip install harlequin==2.17.0)
    --folder PATH          where the files are made and kept; a temporary folder otherwise

The parts are bench/data_open.py, data_screen.py, data_search.py and data_peers.py. Every figure is printed with its
limit, or with another way of doing the same, measured in the same run. Exit status 1 where a limit was missed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import data_open, data_peers, data_rows, data_screen, data_search
from bench.data_table import show


def _number(text: str) -> int:
    return int(text.replace(",", "").replace("_", ""))


def _make_once(path: Path, write: Callable[[Path, int], None], rows: int) -> Path:
    if not path.exists():
        part = path.with_suffix(".part")
        write(part, rows)
        part.rename(path)
    return path


def run(arguments: argparse.Namespace, folder: Path) -> int:
    rows, missed = arguments.rows, 0
    lines = _make_once(folder / f"rows-{rows}.jsonl", data_rows.write_jsonl, rows)
    parquet = _make_once(folder / f"rows-{rows}.parquet", data_rows.write_parquet, rows)
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    if arguments.only != "search":
        for path in (parquet, lines):
            missed += show("Opening", data_open.opening(path, cache, rows))
        if arguments.short:
            short = _make_once(folder / f"short-{arguments.short}.parquet", data_rows.write_short, arguments.short)
            missed += show("Short rows", data_open.opening(short, cache, arguments.short))
        first = next(data_rows.rows(1))["instruction"][:24].strip()
        for path in (parquet, lines):
            missed += show("In the app", data_screen.on_screen(path, rows, first[:10]))
        peers = data_peers.plain_table(parquet, first)
        if arguments.harlequin:
            peers += data_peers.harlequin(arguments.harlequin, parquet, first)
        show("The same Parquet elsewhere", peers)
        if not arguments.harlequin:
            print("  Harlequin was not measured: name its program with --harlequin")
    if arguments.only != "open":
        missed += show("Searching", data_search.searching(lines, cache))
    return int(missed > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="?", type=_number, default=1_000_000)
    parser.add_argument("--short", type=_number, default=0)
    parser.add_argument("--only", choices=("open", "search"))
    parser.add_argument("--harlequin", default="")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        return run(arguments, arguments.folder)
    with tempfile.TemporaryDirectory() as name:
        return run(arguments, Path(name))


if __name__ == "__main__":
    sys.exit(main())
