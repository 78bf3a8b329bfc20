"""Watches a run's folder until the run ends, and formats its progress. Only reads, so it can be stopped at any time."""

from __future__ import annotations

import time
from collections.abc import Iterator

from core.base.errors import RunError
from core.runs.metrics_file import StepMetric
from core.runs.run_folder import RunFolder
from core.runs.status_file import RunStatus

PAUSE_SECONDS = 0.5


def watch_run(run: RunFolder) -> Iterator[tuple[RunStatus, list[StepMetric]]]:
    """The run's status and its new metrics, twice a second, up to and including the final status."""
    offset = 0
    while True:
        status = run.status()
        metrics, offset = run.metrics(offset)  # after the status: a run that has ended has written its last metric
        yield status, metrics
        if status.ended:
            return
        time.sleep(PAUSE_SECONDS)


def raise_if_failed(run: RunFolder, status: RunStatus) -> None:
    """Raises RunError with the cause where the run failed or its process is gone."""
    if status.state not in ("failed", "lost"):
        return
    if status.error is None:
        raise RunError("the run failed", run.id, f"See {run.console}")
    raise RunError(status.error.what, status.error.where, status.error.do)


def progress_line(status: RunStatus, metric: StepMetric) -> str:
    """`step 12/50 · loss 0.4312 · 310 tok/s · 1 min 20 s left`; unknown parts are left out."""
    loss = "not a number" if metric.loss is None else f"{metric.loss:.4f}"
    parts = [f"step {metric.step}/{status.total}", f"loss {loss}"]
    if metric.tokens_per_second:
        parts.append(f"{metric.tokens_per_second:.0f} tok/s")
    if status.seconds_left is not None and not status.ended:
        parts.append(f"{duration_words(status.seconds_left)} left")
    return " · ".join(parts)


def duration_words(seconds: float) -> str:
    """`45 s`, `3 min 05 s`, `2 h 07 min`."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"
