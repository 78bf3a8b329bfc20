"""metrics.jsonl of a run: one line for each optimizer step, appended by its process."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.base.files import append_json, read_json_lines


class StepMetric(msgspec.Struct, frozen=True):
    """A line of metrics.jsonl: one optimizer step."""

    step: int
    """Optimizer steps done, this one included."""
    time: float
    """When it was logged, seconds since the epoch."""
    loss: float | None = None
    """Mean cross-entropy of the step's trained tokens, in nats; None where it is not a finite number."""
    learning_rate: float | None = None
    """The rate of this step."""
    grad_norm: float | None = None
    """Norm of the gradients before clipping."""
    tokens_per_second: float | None = None
    """Tokens of the step, padding excluded, over its duration."""
    tokens: int = 0
    """Tokens since the first step, padding excluded."""
    epoch: float = 0.0
    """Passes over the rows so far."""
    memory: float | None = None
    """Peak memory so far, in GiB."""


def append_step_metric(folder: Path, metric: StepMetric) -> None:
    """Append to the metrics.jsonl of the run in `folder`. Raises OSError."""
    append_json(folder / "metrics.jsonl", metric)


def read_step_metrics(folder: Path, offset: int = 0) -> tuple[list[StepMetric], int]:
    """The metrics from byte `offset` on, and the offset to go on from. Lines of another shape are skipped."""
    lines, offset = read_json_lines(folder / "metrics.jsonl", offset)
    metrics = []
    for line in lines:
        try:
            metrics.append(msgspec.convert(line, StepMetric))
        except msgspec.ValidationError:
            continue  # a line of a later version, or two torn lines that happen to form JSON
    return metrics, offset
