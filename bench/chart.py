"""Bytes that a new point of the loss chart sends, in the Train room in a real pseudo-terminal of 120x40.

    python -m bench.chart [--steps 300] [--room 20]

A noisy falling loss of 300 steps is drawn point by point. Prints JSON: bytes per update of the chart (median, 95th
percentile, largest, all of 2 KB or more), bytes of a full repaint of the chart and its ratio to the median; with --room
N the same for N steps of a run folder as the complete room follows it (chart, numbers, console). Exit status 1 where
the 95th percentile is 2 KB or more.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.terminal import Terminal

LIMIT = 2048
QUIET = 0.08  # seconds of silence after which an update of the chart counts as complete


def losses(steps: int) -> list[float]:
    """A loss as in fine-tuning: it falls fast, then slowly, and is noisy throughout."""
    rng = random.Random(3442)
    return [
        1.6 * math.exp(-step / (steps / 8)) + 0.25 * math.exp(-step / steps) + abs(rng.gauss(0, 0.06))
        for step in range(steps)
    ]


def child(steps: int) -> None:
    """The app; SIGUSR1 adds a point to its chart, SIGUSR2 repaints the chart."""
    from core.runs.metrics_file import StepMetric
    from core.runs.run_curves import RunCurves
    from tui.app import SuironApp
    from tui.common.chart_widget import ChartTile, ChartWidget

    points = iter(enumerate(losses(steps), 1))
    series = RunCurves()

    class Bench(SuironApp):
        def on_mount(self) -> None:
            import asyncio

            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGUSR1, self.add_point)
            loop.add_signal_handler(signal.SIGUSR2, self.repaint)
            self.set_timer(1.0, self.begin)

        def begin(self) -> None:
            # a run reports its length before its first loss
            self.screen.query_one(ChartWidget).show(series, steps)

        def add_point(self) -> None:
            step, loss = next(points)
            series.add(StepMetric(step, float(step), loss))
            self.screen.query_one(ChartWidget).show(series, steps)

        def repaint(self) -> None:
            for tile in self.screen.query(ChartTile):
                tile.refresh()

    Bench().run()


def settle(terminal: Terminal, quiet: float) -> None:
    """Wait until nothing has come for `quiet` seconds."""
    while terminal.wait_bytes(terminal.received, quiet) is not None:
        pass


def sent_by(terminal: Terminal, action: Callable[[], object], quiet: float, patience: float) -> int:
    """Bytes that the program sends after `action`, until nothing has come for `quiet` seconds. 0 where none comes
    within `patience` seconds: a point on dots that are already drawn sends nothing."""
    before = terminal.received
    action()
    terminal.wait_bytes(before, patience)
    settle(terminal, quiet)
    return terminal.received - before


def chart_bytes(steps: int, env: dict[str, str]) -> dict[str, object]:
    with Terminal([sys.executable, "-m", "bench.chart", "--child", str(steps)], env=env) as terminal:
        terminal.wait_for("no run yet", "no loss logged yet")
        terminal.wait_for(f" {steps}")  # the axis
        settle(terminal, 2.0)
        updates = [
            sent_by(terminal, lambda: terminal.process.send_signal(signal.SIGUSR1), QUIET, 0.5) for _ in range(steps)
        ]
        whole = sent_by(terminal, lambda: terminal.process.send_signal(signal.SIGUSR2), QUIET, 5.0)
    over = [size for size in updates if size >= LIMIT]
    return {
        **_summary(updates),
        "over_limit": over,
        "whole_repaint": whole,
        "ratio": round(whole / statistics.median(updates), 1),
    }


def room_bytes(steps: int, total: int, env: dict[str, str]) -> dict[str, object]:
    """What the complete room sends for each of `steps` steps of a run that has done the first third of `total`."""
    os.environ.update(env)
    from core.runs.metrics_file import StepMetric
    from core.runs.presets import seeds_spec
    from core.runs.run_folder import create_run_folder
    from core.runs.spec import DataSection, ModelSection
    from core.runs.status_file import RunStatus

    values = losses(total)
    run = create_run_folder(seeds_spec(DataSection(source="demo"), ModelSection(name="demo")))

    def step(number: int) -> None:
        run.append_metric(
            StepMetric(
                number,
                time.time(),
                values[number - 1],
                2e-4 * (1 - number / total),
                0.5,
                1e4 + number % 97,
                number * 4096,
                0.1,
                6.6,
            )
        )
        with open(run.console, "a") as console:
            console.write(f"step {number}/{total} loss {values[number - 1]:.4f}\n")
        run.write_status(
            RunStatus(
                "training",
                number,
                total,
                1,
                "elsewhere",
                time.time(),
                time.time(),
                total - number + 0.0,
                "training",
                "bench",
            )
        )

    for number in range(1, total // 3):
        step(number)
    with Terminal([sys.executable, "-m", "tui"], env=env) as terminal:
        terminal.wait_for("tok/s", "moving average")
        settle(terminal, 2.0)
        updates = [
            sent_by(terminal, partial(step, number), 1.0, 5.0) for number in range(total // 3, total // 3 + steps)
        ]
    return _summary(updates)


def _summary(updates: list[int]) -> dict[str, object]:
    ordered = sorted(updates)
    return {
        "updates": len(updates),
        "median": statistics.median(updates),
        "p95": ordered[math.ceil(0.95 * len(ordered)) - 1],
        "max": ordered[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="bytes per update of the loss chart")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--room", type=int, default=20)
    parser.add_argument("--child", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "SUIRON_HOME": f"{folder}/home", "SUIRON_CONFIG": f"{folder}/config"}
        Path(folder, "home").mkdir()
        Path(folder, "home", "session.json").write_text(json.dumps({"screen": "train", "model": "none"}))
        result: dict[str, object] = {"chart": chart_bytes(arguments.steps, env)}
        if arguments.room:
            result["room"] = room_bytes(arguments.room, arguments.steps, env)
    print(json.dumps(result, indent=1))
    chart = result["chart"]
    sys.exit(1 if isinstance(chart, dict) and chart["p95"] >= LIMIT else 0)


if __name__ == "__main__":
    main()
