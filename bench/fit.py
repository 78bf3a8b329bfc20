"""The memory of real trainings beside its estimate, for many sizes and settings.

    python -m bench.fit [--out FOLDER] [--skip-done [FILE]] [--lanes N] [--minutes N] [--only WORDS] [--tiny]
    python -m bench.fit --compare [FILE]

Every configuration (bench/fit_configs.py) is loaded and trained in a process of its own, through the loading and the
trainer of a run, on a model of a real shape made on the spot (bench/hollow_model.py). What it took is appended to
FOLDER/fit.jsonl as it comes; FOLDER is $OUT, or the working directory. Several run side by side where all of them fit
on the GPU: the allocator of one knows nothing of the others.

    --minutes N         none starts later than that
    --only WORDS        those whose name has all the words
    --skip-done [FILE]  not those that FILE has, or else FOLDER/fit.jsonl
    --tiny              a tiny model on the CPU, to see that it works

Prints estimate and measured peak of each, the median and the largest error, and how many peaks lie between low and
high. `--compare` does so without a GPU, for FILE or for what bench/fit_measured.json keeps, to which a test holds the
estimate.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
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
from bench.hollow_model import config_of, make_hollow
from core.base.child import environment
from core.models.fit.config_shape import shape_of_config
from core.models.fit.constants import GIB
from core.models.fit.estimate import Estimate, estimate_memory
from core.models.fit.training_shape import PROJECTIONS, Placement, TrainingShape

KEPT = Path(__file__).with_name("fit_measured.json")
"""The peaks that were measured last, with where."""
_LIMIT = 180  # seconds for one configuration
_SPARE_GIB = 1.0  # of each process, beside what its allocator takes


class Bench:
    """The configurations still to measure, handed to the lanes, and the file of results."""

    def __init__(self, configs: list[FitConfig], folder: Path, results: Path, total_gib: float, until: float) -> None:
        self._waiting, self._folder, self._results = list(configs), folder, results
        self._total, self._until = total_gib, until
        self._taken = 0.0
        self._changed, self._making = threading.Condition(), threading.Lock()

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
        return estimate_of(config).high / GIB * 1.3 + _SPARE_GIB

    def _measure(self, config: FitConfig, lane: int) -> dict[str, Any]:
        with self._making:
            model = make_hollow(config.shape, self._folder / config.shape, self._folder / "tokenizer")
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


def estimate_of(config: FitConfig) -> Estimate:
    """The estimate. The counts of config.json are those of the headers of a hollow model."""
    placement = Placement(backend=config.backend, on_gpu=config.shape != "tiny", four_bit=config.bits == 4)
    training = TrainingShape(
        batch_size=config.batch,
        tokens=config.tokens,
        r=config.r,
        target_modules=config.targets or PROJECTIONS,
        gradient_checkpointing=config.checkpointing,
        optim=config.optim,
    )
    shape = msgspec.structs.replace(shape_of_config(config_of(config.shape)), is_exact=True)
    return estimate_memory(shape, placement, training)


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
    """The measured configurations of a file of lines, or of the one that is kept: the newest of each name."""
    if path.suffix == ".json":
        lines = json.loads(path.read_text(encoding="utf-8"))["peaks"]
    elif path.exists():
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        lines = []
    return list({line["name"]: line for line in lines if "peak_reserved_gib" in line}.values())


def compare(results: list[dict[str, Any]]) -> None:
    """Print estimate and peak of each, and how far they are apart in all."""
    print(f"{'configuration':42} {'measured':>9} {'estimate':>9} {'error':>7}  low-high")
    errors, inside = [], 0
    for result in results:
        config = msgspec.convert(result["config"], FitConfig)
        estimate, peak = estimate_of(config), result["peak_reserved_gib"]
        low, high = estimate.low / GIB, estimate.high / GIB
        errors.append(estimate.gib / peak - 1)
        inside += low <= peak <= high
        mark = "" if low <= peak <= high else "  outside"
        print(f"{config.name:42} {peak:9.2f} {estimate.gib:9.2f} {errors[-1]:+7.1%}  {low:.2f}-{high:.2f}{mark}")
    if errors:
        sizes = sorted(map(abs, errors))
        print(
            f"{len(sizes)} configurations: median error {statistics.median(sizes):.1%}, largest {sizes[-1]:.1%}, "
            f"{inside / len(sizes):.0%} between low and high"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", ".")))
    parser.add_argument("--skip-done", nargs="?", type=Path, const=Path())
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=6.5)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--compare", nargs="?", type=Path, const=KEPT)
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
