"""Several GPUs against one: how much faster a run is, with the same rows an update for each GPU.

    python -m bench.ranks [--gpus 2] [--cases NAME ...] [--minutes N] [--tiny]

Cases: `0.5b-captured`, `7b-packed`, `7b-captured`: QLoRA with rank 16 on all seven projections of random weights of the
Qwen2.5 shapes; 8 rows as long as gsm8k's an update and GPU, with that `train.step`; 7B with 8 rows of 500 tokens.
Each is run with one GPU and with several, whose updates have as many times the rows. A run is the whole process, with
its metrics, status and control.

Every run has a process of its own and a time limit; what fails or is late loses only its own line. Prints the median
time of a step, tokens a second and memory at the peak of rank 0 (the first steps left out), and the ratio of the tokens
a second. `--tiny` runs two processes on the CPU, small, to see whether it works.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench.train_speed import Case, Figures, make_tokenizer, ours, run_spec, write_rows
from core.base.child import environment
from core.runs.spec import RunSpec
from core.tokens.tokenizer import TextTokenizer

STEPS = 16
CASES = {
    "0.5b-captured": Case("0.5b", 230, 0.3, 2, 4, STEPS, ("captured",)),
    "7b-packed": Case("7b", 500, 0.3, 2, 4, STEPS, ("packed",)),
    "7b-captured": Case("7b", 500, 0.3, 2, 4, STEPS, ("captured",)),
}
TINY = {"tiny-packed": Case("tiny", 140, 0.3, 2, 2, 8, ("packed",))}
_LIMIT, _TINY_LIMIT = 110.0, 240.0  # seconds for one run


def spec_for(case: Case, rows: Path, model: Path, gpus: int) -> RunSpec:
    """The case with as many times the rows an update as GPUs."""
    spec = run_spec(case, rows, model, case.paths[0])
    more = {"gpus": gpus, "gradient_accumulation": case.accumulate * gpus}
    return msgspec.structs.replace(spec, train=msgspec.structs.replace(spec.train, **more))


def measure_case(name: str, case: Case, home: Path, gpus: int, until: float) -> None:
    """Measure one case and print its figures. until: when no run may be started any more."""
    tokenizer = home / "tokenizer"
    model = home / f"model-{case.shape}"
    if not model.exists():
        began = time.monotonic()
        command = [sys.executable, "-m", "bench.random_model", case.shape, str(model), str(tokenizer)]
        subprocess.run(command, env=environment(), check=True, capture_output=True)
        print(f"({case.shape} made in {time.monotonic() - began:.0f} s)", flush=True)
    rows = home / f"{name}.jsonl"
    write_rows(rows, case._replace(accumulate=case.accumulate * gpus), TextTokenizer.from_folder(tokenizer))
    print(f"\n{name}: {case.batch * case.accumulate} rows of about {case.median} tokens a step and GPU", flush=True)
    found: dict[int, Figures] = {}
    for count in (1, gpus):
        left = until - time.monotonic()
        if left < 15:
            print(f"  {count} GPU: left out, no time left")
            continue
        began = time.monotonic()
        try:
            figures = found[count] = ours(
                spec_for(case, rows, model, count), min(_TINY_LIMIT if case.shape == "tiny" else _LIMIT, left)
            )
        except (subprocess.TimeoutExpired, RuntimeError, OSError, ValueError) as error:
            print(f"  {count} GPU failed: {str(error)[:400]}", flush=True)
            continue
        took = time.monotonic() - began
        print(
            f"  {count} GPU {figures.seconds * 1000:8.1f} ms a step {figures.speed:8,.0f} tok/s "
            f"{figures.memory:6.2f} GiB  ({took:.0f} s)  {figures.words}",
            flush=True,
        )
    if len(found) == 2:
        print(f"  {gpus} against 1: {found[gpus].speed / found[1].speed:.2f} times the tokens a second", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gpus", type=int, default=2)
    parser.add_argument("--cases", nargs="*", default=[])
    parser.add_argument("--minutes", type=float, default=4.7, help="after which no run is started")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory(prefix="suiron-bench-") as folder:
        home = Path(folder)
        for name in ("HOME", "CACHE", "CONFIG"):
            os.environ[f"SUIRON_{name}"] = str(home / name.lower())
        (home / "tokenizer").mkdir()
        make_tokenizer(home / "tokenizer")
        for name, case in (TINY if arguments.tiny else CASES).items():
            if not arguments.cases or name in arguments.cases:
                measure_case(name, case, home, arguments.gpus, until)


if __name__ == "__main__":
    main()
