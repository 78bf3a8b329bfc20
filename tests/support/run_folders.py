"""Run folders as runs leave them, written by hand."""

from __future__ import annotations

import math

from core.base import folders
from core.runs.events_file import append_event
from core.runs.metrics_file import StepMetric
from core.runs.run_folder import RunFolder
from core.runs.spec import DataSection, LoraSection, ModelSection, RunSpec, TrainSection, dump_run_spec
from core.runs.status_file import RunStatus


def spec_of(name: str = "demo", r: int = 16, rate: float = 2e-4, data: str = "demo", model: str = "demo") -> RunSpec:
    return RunSpec(
        name=name,
        data=DataSection(source=data),
        model=ModelSection(name=model),
        lora=LoraSection(r=r),
        train=TrainSection(learning_rate=rate),
    )


def ended_run(
    number: int, spec: RunSpec | None = None, state: str = "finished", steps: int = 20, evaluated: float | None = None
) -> RunFolder:
    """A run that has ended, the newer the higher its number; its loss falls from 2 towards 0."""
    folder = folders.runs() / f"20260101-0000{number:02d}-run-{number:04x}"
    folder.mkdir(mode=0o700)
    (folder / "lock").touch()
    (folder / "run.toml").write_bytes(dump_run_spec(spec or spec_of()))
    run = RunFolder(folder)
    for step in range(1, steps + 1):
        rate = 2e-4 * (1 - step / (steps + 1))
        run.append_metric(
            StepMetric(step, float(step), 2 * math.exp(-step / 10), rate, 0.5, 300.0, step * 512, step / 20, 2.0)
        )
    if evaluated is not None:
        append_event(folder, "evaluated", steps, f"evaluation loss {evaluated}", {"loss": evaluated})
    run.write_status(RunStatus(state, steps, steps, host="here", started=float(number), over=True))
    return run
