"""Bytes that an idle screen sends to a real pseudo-terminal of 120x40 in ten seconds, for each room.

    python -m bench.idle_bytes [--seconds 10] [DATA]

Prints JSON: bytes by room; exit status 1 where any is not 0.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from bench.terminal import Terminal

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"data": "F2", "train": "F3", "chat": "F4"}
QUIET = 2.0  # seconds of silence after which a room counts as settled
SETTLED_WITHIN = 60.0


def settle(terminal: Terminal) -> None:
    limit = time.monotonic() + SETTLED_WITHIN
    while terminal.wait_bytes(terminal.received, QUIET) is not None:
        if time.monotonic() > limit:
            return  # it never becomes quiet; what it sends is counted below


def main() -> None:
    parser = argparse.ArgumentParser(description="bytes an idle screen sends")
    parser.add_argument("data", nargs="?", default="demo")
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    sent: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        env = {"SUIRON_HOME": f"{folder}/home", "SUIRON_CONFIG": f"{folder}/config"}
        with Terminal([sys.executable, "-m", "tui", arguments.data], env=env, cwd=str(ROOT)) as terminal:
            terminal.wait_for("F2 Data")
            for room, key in ROOMS.items():
                settle(terminal)
                terminal.send(key)
                settle(terminal)
                before = terminal.received
                time.sleep(arguments.seconds)
                sent[room] = terminal.received - before
    print(json.dumps({"bytes": sent, "seconds": arguments.seconds}))
    sys.exit(1 if any(sent.values()) else 0)


if __name__ == "__main__":
    main()
