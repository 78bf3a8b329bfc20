"""metrics.jsonl of a run: one line for each optimizer step, appended by its process, and a line where it resumed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from core.base.files import append_json, read_json_lines

METRICS_FILE = "metrics.jsonl"


class StepMetric(msgspec.Struct, frozen=True, gc=False):
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
    loss_reasoning: float | None = None
    """Mean cross-entropy of the trained reasoning tokens, its markers included, in nats, each token counted once; None
    where there were none or it is not known."""
    loss_response: float | None = None
    """The same of the response and its end."""
    loss_prompt: float | None = None
    """The same of the prompt, where it is trained."""


class ResumedAt(msgspec.Struct, frozen=True):
    """A line of metrics.jsonl: the run resumed from a checkpoint. Steps after it, written before this line, were undone
    and are done again below."""

    resumed: int
    """The step of the checkpoint."""
    time: float = 0.0
    """When, seconds since the epoch."""


def append_step_metric(folder: Path, metric: StepMetric | ResumedAt) -> None:
    """Append to the metrics.jsonl of the run in `folder`. Raises OSError."""
    append_json(folder / METRICS_FILE, metric)


def metric_line(line: dict[str, Any]) -> StepMetric | ResumedAt:
    """The line of metrics.jsonl that is `line` as JSON. Raises msgspec.ValidationError."""
    if "resumed" in line:
        return msgspec.convert(line, ResumedAt)
    return msgspec.convert(line, StepMetric)


def read_metric_lines(folder: Path, offset: int = 0) -> tuple[list[StepMetric | ResumedAt], int]:
    """The lines from byte `offset` on, and the offset to go on from. Lines of another shape are skipped."""
    lines, offset = read_json_lines(folder / METRICS_FILE, offset)
    found: list[StepMetric | ResumedAt] = []
    for line in lines:
        try:
            found.append(metric_line(line))
        except msgspec.ValidationError:
            continue  # a line of a later version, or two torn lines that happen to form JSON
    return found, offset


def all_metric_lines(folder: Path) -> Iterator[StepMetric | ResumedAt]:
    """All lines, one after the other and several times as fast as `read_metric_lines`: a file may have a million.
    Raises OSError."""
    decode = msgspec.json.Decoder(StepMetric).decode
    try:
        file = open(folder / METRICS_FILE, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        return
    with file:
        for line in file:
            if not line.endswith(b"\n"):
                return  # torn
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                try:
                    yield metric_line(msgspec.json.decode(line, type=dict[str, Any]))
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue  # a line of a later version, or torn lines


def read_step_metrics(folder: Path, offset: int = 0) -> tuple[list[StepMetric], int]:
    """The metrics from byte `offset` on, without those that a later line among them has undone, and the offset to go on
    from."""
    lines, offset = read_metric_lines(folder, offset)
    metrics: list[StepMetric] = []
    for line in lines:
        if isinstance(line, StepMetric):
            metrics.append(line)
        else:
            while metrics and metrics[-1].step > line.resumed:
                metrics.pop()
    return metrics, offset
