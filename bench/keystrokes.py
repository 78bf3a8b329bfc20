"""Keystroke to paint while the demo trains on every core.

    python -m bench.keystrokes [KEYS]

Measures from writing a key into the pseudo-terminal to the first byte that comes back. Prints p50, p95 and the worst of
KEYS keystrokes (default 150) in the table of rows and in the chat's editor, with the demo training and without, and the
ratio of the two p95. Uses the demo model (made first if it is missing) and a temporary home.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.terminal import Terminal

ROOT = Path(__file__).resolve().parents[1]
TARGET = 0.060  # seconds at p95 while training


def latencies(terminal: Terminal, keys: list[str], count: int) -> list[float]:
    """Seconds from each of `count` keystrokes to the first byte of its paint, at the pace of a typist."""
    pace, seconds = random.Random(0), []
    for index in range(count):
        before = terminal.received
        sent = time.perf_counter()
        terminal.send(keys[index % len(keys)])
        painted = terminal.wait_bytes(before, 5.0)
        if painted is None:
            raise RuntimeError(f"keystroke {index} painted nothing within 5 s")
        seconds.append(painted - sent)
        time.sleep(pace.uniform(0.08, 0.25))
    return seconds


def measure(terminal: Terminal, count: int) -> dict[str, list[float]]:
    """Latencies in the table and in the editor. Leaves the app on the data screen."""
    terminal.send("F2")
    terminal.wait_for("instruction")
    time.sleep(1.0)  # loading of the screen must not count as the key's
    table = latencies(terminal, ["Down", "Down", "Down", "Up"], count)
    terminal.send("F4")
    terminal.wait_for("Reasoning")
    time.sleep(1.0)
    editor = latencies(terminal, list("why do tokens stream "), count)
    terminal.send("F2")
    return {"table": table, "editor": editor}


def p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def report(title: str, seconds: list[float]) -> None:
    print(
        f"{title:<28} p50 {statistics.median(seconds) * 1e3:6.1f} ms   p95 {p95(seconds) * 1e3:6.1f} ms   worst "
        f"{max(seconds) * 1e3:6.1f} ms"
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    with tempfile.TemporaryDirectory(prefix="suiron-bench-") as home:
        os.environ["SUIRON_HOME"] = home
        from core.demo.spec import demo_spec
        from core.models.make_embedded_model import ensure_demo_model
        from core.runs.launch import start_run

        ensure_demo_model(lambda words: print(words, file=sys.stderr))
        argv = [sys.executable, "-m", "tui", "demo", "--model", "demo"]
        with Terminal(argv, cwd=str(ROOT), env={"SUIRON_HOME": home}) as terminal:
            terminal.wait_for("instruction")
            quiet = measure(terminal, count)
            run = start_run(demo_spec())
            while not run.metrics()[0]:
                if run.status().ended:
                    raise RuntimeError(f"the run ended before its first step: {run.status().error}")
                time.sleep(0.5)
            busy = measure(terminal, count)
            still = run.status().state
            run.request("stop")
        for widget in quiet:
            report(f"{widget}, nothing trains", quiet[widget])
            report(f"{widget}, the demo trains", busy[widget])
            worst = p95(busy[widget])
            verdict = "within" if worst < TARGET else "OVER"
            print(
                f"{widget}: p95 while training is {worst / p95(quiet[widget]):.2f} times that without; {verdict} the "
                f"target of {TARGET * 1e3:.0f} ms"
            )
        print(f"the run was still {still} at the end of the measurement, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
