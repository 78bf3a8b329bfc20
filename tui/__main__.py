"""Starts the app: `python -m tui [DATA] [--model FOLDER_OR_NAME]`.

Without DATA or --model it opens those of the last session.
"""

from __future__ import annotations

import argparse
import sys


def main() -> int:
    """Run the app; returns its exit code, which is not 0 after a crash."""
    parser = argparse.ArgumentParser(
        prog="python -m tui", description="Suiron: browse reasoning data, train on it, talk to the result."
    )
    parser.add_argument(
        "data",
        nargs="?",
        help="a file (jsonl, json, csv, tsv, parquet, arrow; also .gz, .zst), a folder, a pattern or a hub name;"
        " `demo` is the embedded data set",
    )
    parser.add_argument("--split", default=None, help="split of a hub data set or of a saved data set")
    parser.add_argument("--model", default=None, help="a model folder or a hub name; `demo` is the embedded model")
    arguments = parser.parse_args()
    from tui.actions import use_keymap, user_keymap_exists

    if user_keymap_exists():
        from tui.actions.keymap import read_keymap

        use_keymap(read_keymap())  # first, because the classes imported next take their bindings from it
    from tui.app import SuironApp

    app = SuironApp(data=arguments.data, split=arguments.split, model=arguments.model)
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
