"""How long it takes to list many runs: the first time, and again with what was kept.

    python -m bench.runs_list [--runs 500]

Prints JSON: seconds of the first listing, of one by a new process's index file, and of one more in the same process.
Exit status 1 where a listing with the index file takes more than 0.2 s.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time

LIMIT = 0.2


def make_runs(count: int) -> None:
    """Runs of 200 steps with settings, facts, events and notes, as training writes them."""
    import msgspec

    from core.base import folders
    from core.runs.events_file import append_event
    from core.runs.metrics_file import StepMetric
    from core.runs.notes import change_notes
    from core.runs.run_folder import RunFolder
    from core.runs.spec import DataSection, LoraSection, ModelSection, RunSpec, dump_run_spec
    from core.runs.status_file import RunStatus

    lines = b"".join(
        msgspec.json.encode(StepMetric(step, step, 2.0 / step**0.3, 2e-4, 0.5, 9e3, step * 512)) + b"\n"
        for step in range(1, 201)
    )
    for number in range(count):
        folder = folders.runs() / f"20260101-{number:06d}-bench-abcd"
        folder.mkdir()
        (folder / "lock").touch()
        spec = RunSpec(
            name=f"bench {number}",
            data=DataSection(source="demo"),
            model=ModelSection(name="demo"),
            lora=LoraSection(r=8 + number % 7),
        )
        (folder / "run.toml").write_bytes(dump_run_spec(spec))
        (folder / "metrics.jsonl").write_bytes(lines)
        run = RunFolder(folder)
        run.write_status(RunStatus("finished", 200, 200, over=True))
        append_event(folder, "evaluated", 200, "evaluation loss 0.5", {"loss": 0.5 + number / 1000})
        change_notes(folder, note="ノート", verdict="good")


def main() -> None:
    parser = argparse.ArgumentParser(description="seconds to list many runs")
    parser.add_argument("--runs", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {f"SUIRON_{name}": f"{folder}/{name.lower()}" for name in ("HOME", "CACHE", "CONFIG")}
        make_runs(arguments.runs)
        from core.runs.run_index import RunIndex

        seconds = {}
        again = RunIndex()
        for words, index in (("first", RunIndex()), ("with the index file", again), ("again", again)):
            begin = time.perf_counter()
            found = len(index.list())
            seconds[words] = round(time.perf_counter() - begin, 4)
            assert found == arguments.runs
    print(json.dumps({"runs": arguments.runs, "seconds": seconds}))
    sys.exit(1 if seconds["with the index file"] > LIMIT else 0)


if __name__ == "__main__":
    main()
