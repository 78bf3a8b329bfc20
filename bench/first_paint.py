"""First paint: from process start to the first frame in a real pseudo-terminal, against an empty app.

    python -m bench.first_paint [--times 9] [DATA]

Prints JSON: medians in seconds, their ratio to an empty Textual app (at most 1.8 is promised), and when the first row
of data was on the screen. The two kinds of start alternate, so that a busy moment of the machine affects both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.terminal import Terminal

ROOT = Path(__file__).resolve().parents[1]
EMPTY = "from textual.app import App\nApp().run()"
FRAME = b" " * 60  # an empty app's first frame is blank lines; no control sequence holds as many spaces
BANNER = b"F2 Data"
TABLE = b"instruction"  # the table's header comes with its first rows
LIMIT = 1.8


def written(terminal: Terminal, text: bytes, seconds: float = 30.0) -> float:
    """Seconds from the start of the program until it had written `text`. Raises TimeoutError."""
    limit = time.perf_counter() + seconds
    while (offset := terminal.raw.find(text)) < 0:
        if time.perf_counter() > limit or (
            terminal.wait_bytes(terminal.received, 1.0) is None and terminal.process.poll() is not None
        ):
            raise TimeoutError(f"{text!r} was not written; the screen shows:\n{terminal.text()}")
    return next(stamp for stamp, total in terminal.stamps if total >= offset + len(text)) - terminal.started


def main() -> None:
    parser = argparse.ArgumentParser(description="first paint of Suiron against an empty Textual app")
    parser.add_argument("data", nargs="?", default="demo")
    parser.add_argument("--times", type=int, default=9)
    arguments = parser.parse_args()
    empty, suiron, rows = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        env = {"SUIRON_HOME": f"{folder}/home", "SUIRON_CONFIG": f"{folder}/config"}
        for turn in range(arguments.times + 1):
            with Terminal([sys.executable, "-c", EMPTY], env=env) as terminal:
                first = written(terminal, FRAME)
            with Terminal([sys.executable, "-m", "tui", arguments.data], env=env, cwd=str(ROOT)) as terminal:
                ours, row = written(terminal, BANNER), written(terminal, TABLE)
            if turn:  # the first turn fills the disk cache and the compiled modules
                empty.append(first)
                suiron.append(ours)
                rows.append(row)
    medians = {
        name: statistics.median(times)
        for name, times in (("empty_app", empty), ("suiron", suiron), ("first_row", rows))
    }
    ratio = medians["suiron"] / medians["empty_app"]
    report = {
        **{name: round(value, 3) for name, value in medians.items()},
        "ratio": round(ratio, 2),
        "limit": LIMIT,
        "times": arguments.times,
    }
    print(json.dumps(report))
    sys.exit(0 if ratio <= LIMIT else 1)


if __name__ == "__main__":
    main()
