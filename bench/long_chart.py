"""How long a run of a million steps takes to open and to be drawn again.

    python -m bench.long_chart [--steps 1000000]

Prints JSON: seconds to open (read the folder, make the chart, draw it at 120x40), and milliseconds of a redraw after
one more step (median and largest of 30), of all charts. Exit status 1 where opening takes more than 0.3 s or the median
redraw more than 30 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

OPEN, REDRAW = 0.3, 0.03
WIDTH, HEIGHT = 100, 30


def make_run(steps: int) -> Path:
    """A run of many steps, with its curve.bin as the run itself leaves it."""
    from core.runs.curve_file import CurveWriter
    from core.runs.run_folder import create_run_folder
    from core.runs.spec import DataSection, ModelSection, RunSpec
    from core.runs.status_file import RunStatus

    run = create_run_folder(RunSpec(data=DataSection(source="demo"), model=ModelSection(name="demo")))
    line = (
        '{{"step":{0},"time":{0}.0,"loss":{1:.4f},"learning_rate":0.0002,"grad_norm":{2:.3f},"tokens_per_second":9000.5,'
        '"tokens":{3},"epoch":0.5,"memory":6.5,"loss_reasoning":{1:.4f},"loss_response":{2:.4f}}}\n'
    )
    with open(run.path / "metrics.jsonl", "w") as file:
        for step in range(1, steps + 1):
            file.write(line.format(step, 2 / step**0.2 + step % 7 / 50, 0.5 + step % 5 / 9, step * 4096))
    CurveWriter(run.path)
    run.write_status(RunStatus("finished", steps, steps, over=True))
    return run.path


def measure(folder: Path, steps: int) -> dict[str, object]:
    from core.runs.metrics_file import StepMetric
    from core.runs.run_charts import CHARTS, run_chart
    from core.runs.run_folder import RunFolder
    from core.runs.run_reader import RunReader
    from tui.common import draw_chart

    draw_chart.import_plotext()

    def draw(reader: RunReader, kind: str) -> None:
        chart = run_chart(kind, reader.curves, reader.events)
        axes = draw_chart.ChartAxes()
        draw_chart.draw_chart(chart, draw_chart.whole_range(chart, steps, axes), False, axes, WIDTH, HEIGHT)

    begin = time.perf_counter()
    reader = RunReader(RunFolder(folder))
    reader.read_changes()
    draw(reader, "loss")
    opened = time.perf_counter() - begin
    redraws: dict[str, list[float]] = {}
    for kind in CHARTS:
        draw(reader, kind)
        redraws[kind] = []
        for _ in range(30):
            reader.curves.add(StepMetric(reader.curves.last_step + 1, 0.0, 0.4))
            begin = time.perf_counter()
            draw(reader, kind)
            redraws[kind].append(1000 * (time.perf_counter() - begin))
    figures = {
        kind: {"median": round(statistics.median(each), 1), "max": round(max(each), 1)}
        for kind, each in redraws.items()
    }
    return {"steps": steps, "open_seconds": round(opened, 3), "redraw_ms": figures}


def main() -> None:
    parser = argparse.ArgumentParser(description="time to open and redraw a long run")
    parser.add_argument("--steps", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {f"SUIRON_{name}": f"{folder}/{name.lower()}" for name in ("HOME", "CACHE", "CONFIG")}
        result = measure(make_run(arguments.steps), arguments.steps)
    print(json.dumps(result, indent=1))
    redraws = result["redraw_ms"]
    assert isinstance(redraws, dict) and isinstance(result["open_seconds"], float)
    slow = redraws["loss"]["median"] > 1000 * REDRAW or result["open_seconds"] > OPEN
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
