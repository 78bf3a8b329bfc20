"""`python -m tui [DATA] [--model FOLDER_OR_NAME]`: the app on one's own data and model; without either, where the last
session was."""

from __future__ import annotations

import argparse


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tui", description="Suiron: browse reasoning data, train on it, talk to the result."
    )
    parser.add_argument(
        "data",
        nargs="?",
        help="a file (jsonl, json, csv, tsv, parquet, arrow; also .gz, .zst), folder, pattern or hub name; `demo` is the embedded one",
    )
    parser.add_argument("--split", default=None, help="split of a hub data set or saved directory")
    parser.add_argument("--model", default=None, help="model folder or hub name; `demo` is the embedded one")
    arguments = parser.parse_args()
    from tui.app import SuironApp

    SuironApp(data=arguments.data, split=arguments.split, model=arguments.model).run()


if __name__ == "__main__":
    main()
