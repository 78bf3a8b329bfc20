"""The trainer's callback at every optimizer step: writes metric and status, handles requests, marks checkpoints.

Imports transformers: import it only after `prepare_imports`, and after Unsloth where that trains.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from core.runs.metrics_file import StepMetric
from core.runs.run_folder import RunFolder
from core.training.checkpoints import AdapterOrigin, mark_checkpoint_complete
from core.training.heartbeat import StatusReporter
from core.training.requests import RunRequests

_GIB = 1 << 30


class StepCallback(TrainerCallback):  # type: ignore[misc]
    """The trainer's callback.

    losses: the trainer adds the loss of every forward pass of the step here. (Its own running sum stays NaN after one
    NaN.) save_steps: as in the specification. keep: saves the adapter of a step; called after the last step and before
    its checkpoint, which is larger and may not fit on the disk.
    """

    def __init__(
        self,
        run: RunFolder,
        reporter: StatusReporter,
        requests: RunRequests,
        losses: list[torch.Tensor],
        save_steps: int,
        about: Callable[[int], AdapterOrigin],
        keep: Callable[[int], None],
    ) -> None:
        self._run, self._reporter, self._requests = run, reporter, requests
        self._losses, self._save_steps, self._about, self._keep = losses, save_steps, about, keep
        self._began = self._first_ended = 0.0
        self._steps_here = self._tokens = 0
        self.not_finite: list[int] = []
        self.loss: float | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._reporter.update(state="training", total=state.max_steps, message="training: the first step takes longer")

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._losses.clear()
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self._requests.read_new()
        last = state.global_step >= state.max_steps
        due = self._save_steps > 0 and state.global_step % self._save_steps == 0
        if self._requests.stop:
            control.should_training_stop = True
        if self._requests.take_checkpoint() or self._requests.stop or last or due:
            control.should_save = True
        control.should_log = True
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not logs or "loss" not in logs:
            return  # the summary at the end
        step, tokens = state.global_step, int(state.num_input_tokens_seen)
        # Waits for the GPU, so the clock is read afterwards.
        self.loss = _finite(float(sum(loss.double().item() for loss in self._losses)))
        now = time.monotonic()
        if self.loss is None:
            self.not_finite.append(step)
        metric = StepMetric(
            step=step,
            time=time.time(),
            loss=self.loss,
            learning_rate=_finite(logs.get("learning_rate")),
            grad_norm=_finite(logs.get("grad_norm")),
            tokens_per_second=(tokens - self._tokens) / max(now - self._began, 1e-9),
            tokens=tokens,
            epoch=float(state.epoch or 0.0),
            memory=peak_memory(),
        )
        self._tokens = tokens
        try:
            self._run.append_metric(metric)
        except OSError as error:  # a full disk: the run continues with a gap in its curve, and the log has the reason
            print(f"metrics.jsonl cannot be written at step {step}: {error}", file=sys.stderr, flush=True)
        self._steps_here += 1
        if self._steps_here == 1:
            self._first_ended = now
        self._reporter.update_later(
            step=step, seconds_left=self._seconds_left(now, state.max_steps - step), message=self._message()
        )
        if self._steps_here == 1:
            self._reporter.update()
        if self._requests.stop or step >= state.max_steps:
            self._keep(step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        mark_checkpoint_complete(checkpoint, self._about(state.global_step))

    def _seconds_left(self, now: float, steps_left: int) -> float:
        """The estimate in seconds, from the steps of this process without its first, which compiles and allocates."""
        if self._steps_here < 2:
            return (now - self._began) * steps_left
        return (now - self._first_ended) / (self._steps_here - 1) * steps_left

    def _message(self) -> str:
        if self._requests.stop:
            return "stopping: saving the adapter as trained so far"
        if self.not_finite:
            count, first = len(self.not_finite), self.not_finite[0]
            return (
                f"training; the loss was not a finite number in {count} steps, first at step {first}: "
                "lower the learning rate"
            )
        return "training"


def peak_memory() -> float:
    """Peak memory in GiB: torch's reserved memory on the GPU, else the resident memory of this process."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_reserved()) / _GIB
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _GIB if sys.platform == "darwin" else peak * 1024 / _GIB


def _finite(value: Any) -> float | None:
    number = float(value) if value is not None else math.nan
    return number if math.isfinite(number) else None
