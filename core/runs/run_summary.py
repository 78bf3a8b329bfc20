"""One run in a line: where it is, what it was made of, how low its loss went, what the person thinks of it.

Reads the small files of one folder and the ends of its metrics, never all of them.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec

from core.base.errors import SuironError
from core.runs.metrics_file import METRICS_FILE, StepMetric
from core.runs.notes import read_notes
from core.runs.run_folder import RunFolder
from core.runs.spec import decode_run_spec
from core.runs.spec_fields import setting_values

_TAIL_BYTES = 8 * 1024  # of metrics.jsonl: more than the last ten lines
_LAST_STEPS = 10  # whose mean stands for the loss of a run that was never evaluated


class RunSummary(msgspec.Struct, frozen=True):
    """What lists of runs show of one."""

    id: str
    """The folder's name."""
    kind: str = ""
    """The kind of job: `train`, or that of other work."""
    name: str = ""
    """The person's name for it, else the one in its specification."""
    state: str = ""
    """See `core.runs.status_file.RunState`."""
    ended: bool = False
    """Whether no process works in it any more."""
    step: int = 0
    """Optimizer steps done."""
    total: int = 0
    """Optimizer steps planned; 0 where it is not known."""
    started: float = 0.0
    """When its process was started, seconds since the epoch."""
    loss: float | None = None
    """The lowest evaluation loss, else the mean of the last ten steps, in nats."""
    evaluated: bool = False
    """Whether `loss` is that of an evaluation."""
    verdict: str = ""
    """The person's verdict; empty where there is none."""
    note: str = ""
    """The person's words."""
    settings: dict[str, str] = {}
    """Its own settings as texts, by key; empty where its specification cannot be read."""
    trouble: str = ""
    """What of the folder cannot be read."""

    @property
    def data(self) -> str:
        """The source of its rows."""
        return self.settings.get("data.source", "")

    @property
    def model(self) -> str:
        """Its base model."""
        return self.settings.get("model.name", "")


def summarise_run(run: RunFolder) -> RunSummary:
    """The summary of the run, from its folder. What cannot be read is named in it, never raised."""
    kind, troubles = run.kind(), []
    settings: dict[str, str] = {}
    name = ""
    if kind == "train":
        try:
            spec = decode_run_spec((run.path / "run.toml").read_bytes(), run.id)
            settings, name = setting_values(spec), spec.name
        except SuironError as error:
            troubles.append(error.what)
        except OSError as error:
            troubles.append(f"run.toml cannot be read ({error.strerror})")
    state, ended, step, total, started = "unknown", True, 0, 0, 0.0
    try:
        status = run.status()
        state, ended, step = status.state, status.ended, status.step
        total, started = status.total, status.started
    except SuironError as error:
        troubles.append(error.what)
    loss, evaluated = _best_loss(run)
    notes = read_notes(run.path)
    return RunSummary(
        run.id,
        kind,
        notes.name or name or kind,
        state,
        ended,
        step,
        total,
        started,
        loss,
        evaluated,
        notes.verdict,
        notes.note,
        settings,
        "; ".join(troubles),
    )


def _best_loss(run: RunFolder) -> tuple[float | None, bool]:
    try:
        events, _ = run.events()
        losses = [loss for event in events if event.kind == "evaluated" and (loss := _loss(event.facts)) is not None]
        if losses:
            return min(losses), True
        last = [metric.loss for metric in last_metrics(run) if metric.loss is not None][-_LAST_STEPS:]
    except OSError:
        return None, False
    return (sum(last) / len(last) if last else None), False


def _loss(facts: dict[str, Any]) -> float | None:
    loss = facts.get("loss")
    return float(loss) if isinstance(loss, int | float) and not isinstance(loss, bool) else None


def last_metrics(run: RunFolder) -> list[StepMetric]:
    """The newest steps of the run, from the end of its metrics. Raises OSError."""
    path = run.path / METRICS_FILE
    if not path.exists():
        return []
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _TAIL_BYTES)
        file.seek(start)
        block = file.read(_TAIL_BYTES)
    return run.metrics(start + block.find(b"\n") + 1 if start else 0)[0]
