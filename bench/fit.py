"""The memory of real trainings beside its estimate, for many sizes and settings.

    python -m bench.fit [--out FOLDER] [--skip-done [FILE]] [--lanes N] [--minutes N] [--only WORDS] [--tiny]
    python -m bench.fit --compare FILE

Every configuration (bench/fit_configs.py) is loaded and trained in a process of its own, through the loading and the
trainer of a run, on a model of a real shape made on the spot (bench/hollow_model.py). What it took is appended to
FOLDER/fit.jsonl as it comes; FOLDER is $OUT, or the working directory. Several run side by side where all of them fit
on the GPU: the allocator of one knows nothing of the others.

    --minutes N         none starts later than that
    --only WORDS        those whose name has all the words
    --skip-done [FILE]  not those that FILE has, or else FOLDER/fit.jsonl
    --tiny              a tiny model on the CPU, to see that it works

Prints estimate and measured peak of each, the median and the largest error, and how many peaks lie between low and
high; `--compare` does so for a file of an earlier time, without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from bench.encode import some_rows, some_tokenizer
from bench.fit_configs import FitConfig, on_gpu, tiny
from bench.hollow_model import make_hollow
from core.base.child import environment
from core.models.fit.memory import GIB, TrainingShape, needed_bytes

_LIMIT = 180  # seconds for one configuration
_SPARE_GIB = 1.0  # of each process, beside what its allocator takes


class Bench:
    """The configurations still to measure, handed to the lanes, and the file of results."""

    def __init__(self, configs: list[FitConfig], folder: Path, results: Path, total_gib: float, until: float) -> None:
        self._waiting, self._folder, self._results = list(configs), folder, results
        self._total, self._until = total_gib, until
        self._taken = 0.0
        self._changed = threading.Condition()

    def lane(self, number: int) -> None:
        """Measure one configuration after the other until none is left."""
        while (taken := self._take()) is not None:
            config, room = taken
            try:
                self._write(self._measure(config, number))
            finally:
                with self._changed:
                    self._taken -= room
                    self._changed.notify_all()

    def _take(self) -> tuple[FitConfig, float] | None:
        """The next that fits beside those that run, and its room in GiB; waits until one does."""
        with self._changed:
            while self._waiting and time.monotonic() < self._until:
                for config in self._waiting:
                    room = min(self._total, self._room(config))
                    if self._taken + room <= self._total or self._taken == 0:
                        self._waiting.remove(config)
                        self._taken += room
                        return config, room
                self._changed.wait(timeout=5)
            return None

    def _room(self, config: FitConfig) -> float:
        model = make_hollow(config.shape, self._folder / config.shape, self._folder / "tokenizer")
        return rough_gib(config, model) * 1.2 + _SPARE_GIB

    def _measure(self, config: FitConfig, lane: int) -> dict[str, Any]:
        model = self._folder / config.shape
        command = [sys.executable, "-m", "bench.fit_one", msgspec.json.encode(config).decode(), str(model)]
        began = time.monotonic()
        print(f"{config.name} ...", flush=True)
        # A cache for each lane: Unsloth compiles into it, and two processes at once would disturb each other.
        more = {"HF_HUB_OFFLINE": "1", "SUIRON_CACHE": str(self._folder / f"cache-{lane}")}
        try:
            done = subprocess.run(
                command, env=environment(**more), capture_output=True, text=True, timeout=_LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            return {"name": config.name, "config": config, "failed": f"not done after {_LIMIT} s"}
        lines = done.stdout.strip().splitlines()
        if done.returncode == 0 and lines:
            result: dict[str, Any] = json.loads(lines[-1])
            peak, seconds = result["peak_reserved_gib"], time.monotonic() - began
            print(f"{config.name}: {peak:.2f} GiB, {seconds:.0f} s", flush=True)
            return result
        words = (done.stdout[-500:] + "\n" + done.stderr[-1500:]).strip()
        print(f"{config.name} failed ({done.returncode}):\n{words}", flush=True)
        return {"name": config.name, "config": config, "failed": words}

    def _write(self, result: dict[str, Any]) -> None:
        with self._changed, self._results.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")


def rough_gib(config: FitConfig, model: Path) -> float:
    """What it takes at most, in GiB."""
    shape = TrainingShape(
        batch_size=config.batch,
        tokens=config.tokens,
        r=config.r,
        target_modules=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        gradient_checkpointing=config.checkpointing,
    )
    return needed_bytes(model, four_bit=config.bits == 4, width=2, training=shape).total / GIB


def gpu_total_gib() -> float:
    """Memory of the first GPU, in GiB; 0 without one."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return 0.0
    lines = done.stdout.split()
    return float(lines[0]) / 1024 if done.returncode == 0 and lines else 0.0


def read_results(path: Path) -> list[dict[str, Any]]:
    """The measured configurations, the newest of each name."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return list({line["name"]: line for line in lines if "peak_reserved_gib" in line}.values())


def compare(results: list[dict[str, Any]]) -> None:
    print(f"{'configuration':44} {'reserved':>9} {'allocated':>9}")
    for result in results:
        print(f"{result['name']:44} {result['peak_reserved_gib']:9.2f} {result['peak_allocated_gib']:9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", ".")))
    parser.add_argument("--skip-done", nargs="?", type=Path, const=Path())
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=6.5)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--compare", type=Path)
    arguments = parser.parse_args()
    if arguments.compare:
        compare(read_results(arguments.compare))
        return
    until = time.monotonic() + arguments.minutes * 60
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / "fit.jsonl"
    skip = arguments.skip_done
    done = set() if skip is None else {result["name"] for result in read_results(results if skip == Path() else skip)}
    total = gpu_total_gib()
    if not total and not arguments.tiny:
        raise SystemExit("there is no GPU here; --tiny measures a tiny model on the CPU")
    configs = [config for config in (tiny() if arguments.tiny else on_gpu()) if config.name not in done]
    configs = [config for config in configs if all(word in config.name.split() for word in arguments.only)]
    with tempfile.TemporaryDirectory(prefix="suiron-bench-fit-") as name:
        folder = Path(name)
        (folder / "tokenizer").mkdir()
        some_tokenizer(some_rows(2000), folder / "tokenizer")
        if total:
            command = [sys.executable, "-m", "bench.fit_one", "context"]
            context = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
            print("context:", context.stdout.strip(), context.stderr.strip()[-300:], flush=True)
        bench = Bench(configs, folder, results, (total or 100.0) - 3.0, until)
        lanes = [
            threading.Thread(target=bench.lane, args=(number,)) for number in range(1 if not total else arguments.lanes)
        ]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
    compare(read_results(results))
    print(f"results in {results}")


if __name__ == "__main__":
    main()
