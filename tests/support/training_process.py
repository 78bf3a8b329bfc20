"""A real training process on a tiny run: its specification, and waiting for what it writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import core
from core.runs.job_lock import make_lock_file
from core.runs.run_folder import RunFolder
from core.runs.spec import (
    DataSection,
    LoraSection,
    ModelSection,
    PromptSection,
    RunSpec,
    TrainSection,
    dump_run_spec,
    mixture_of_two,
)

ROWS = 8
TEST_WORD = "zebra"  # stands in rows flagged test alone


def make_spec(rows: Path | str, model: Path | str, **train: object) -> RunSpec:
    """One batch holds all rows, so that the order in which they come changes nothing but sums."""
    values: dict[str, object] = {
        "steps": 3,
        "batch_size": ROWS,
        "gradient_accumulation": 1,
        "learning_rate": 0.01,
        "warmup_steps": min(2, int(train.get("steps", 3))),  # type: ignore[call-overload]
    }
    return RunSpec(
        name="test",
        data=DataSection(source=str(rows)),
        model=ModelSection(name=str(model)),
        prompt=PromptSection(mixture=mixture_of_two(0.3)),
        lora=LoraSection(r=4),
        train=TrainSection(**{**values, **train}),  # type: ignore[arg-type]
    )


class Process:
    """A real training process on a run folder, with its own home and cache beside it."""

    def __init__(self, folder: Path, spec: RunSpec | bytes) -> None:
        folder.mkdir()
        make_lock_file(folder)
        (folder / "run.toml").write_bytes(spec if isinstance(spec, bytes) else dump_run_spec(spec))
        self.run = RunFolder(folder)
        variables = {f"SUIRON_{name}": str(folder / name.lower()) for name in ("HOME", "CACHE", "CONFIG")}
        with open(self.run.console, "wb") as console:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "core.training", str(folder)],
                cwd=folder,
                env={
                    **os.environ,
                    **variables,
                    "PYTHONPATH": str(Path(core.__file__).parents[1]),
                    "HF_HUB_OFFLINE": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )

    def until(self, holds: Callable[[RunFolder], bool], seconds: float = 180.0) -> None:
        """Wait until `holds` is true of the run, looking a hundred times a second."""
        end = time.monotonic() + seconds
        while not holds(self.run):
            assert self.process.poll() is None or holds(self.run), f"the run ended early:\n{self.log()}"
            assert time.monotonic() < end, f"waited too long:\n{self.log()}"
            time.sleep(0.01)

    def end(self, seconds: float = 180.0) -> int:
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()

    def log(self) -> str:
        return self.run.console.read_text(errors="replace")[-3000:]


def at_step(step: int) -> Callable[[RunFolder], bool]:
    return lambda run: len(run.metrics()[0]) >= step
