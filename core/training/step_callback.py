"""The trainer's callback at every optimizer step: writes metric, curve and status, and looks at the loss before it is
used.

Imports transformers: import it only after `prepare_imports`, and after Unsloth where that trains.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from typing import Any

import msgspec
import torch
from transformers import TrainerCallback

from core.runs.curve_file import CurveWriter
from core.runs.metrics_file import ResumedAt, StepMetric
from core.runs.process import JobProcess
from core.runs.spec import RunSpec
from core.training.bad_loss import MOST_BACK_OFFS, bad_loss_error, bad_loss_words
from core.training.run_control import RunControl
from core.training.step_record import StepRecord

_GIB = 1 << 30
_NORMS = 6  # of the steps before, which are named with a bad loss


class StepCallback(TrainerCallback):  # type: ignore[misc]
    """record: the trainer fills it. control: decides about requests, checkpoints and evaluations. dtype: of the weights
    that are trained through, for messages. resumed_from: the step of the checkpoint; None where the run starts."""

    def __init__(
        self,
        job: JobProcess,
        spec: RunSpec,
        record: StepRecord,
        control: RunControl,
        dtype: str,
        resumed_from: int | None,
    ) -> None:
        self._job, self._spec, self._record, self._control = job, spec, record, control
        self._dtype, self._resumed_from = dtype, resumed_from
        self.trainer: Any = None
        """Set once the trainer exists, which needs the callback first."""
        self._curve: CurveWriter | None = None
        self._began = self._first_ended = 0.0
        self._steps_here = self._tokens = 0
        self._norms: deque[float | None] = deque(maxlen=_NORMS)
        self._step_loss = math.nan
        self.loss: float | None = None
        """The loss of the last step."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._tokens = int(state.num_input_tokens_seen)
        step = state.global_step
        self._curve = self._open_curve()
        if self._resumed_from is not None:
            self._append(ResumedAt(step, time.time()))
        self._job.status.update(
            state="training", step=step, total=state.max_steps, message="training: the first step takes longer"
        )
        self._control.begin(self.trainer)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._record.clear()
        self._began = time.monotonic()

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self._control.part_of_step_ends(control)
        return control

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Waits for the device: a loss that is no number must not reach the weights."""
        self._step_loss = self._record.loss()
        progress, step = self._control.progress, state.global_step + 1
        words = bad_loss_words(self._step_loss, progress)
        if not math.isfinite(self._step_loss):
            progress.not_finite += 1
            progress.first_not_finite = progress.first_not_finite or step
        if not words:
            return
        policy = progress.settings.on_bad_loss
        if policy == "back_off" and progress.back_offs < MOST_BACK_OFFS:
            self._control.back_off(self.trainer, words, step)
        elif policy == "go_on":
            if progress.not_finite == 1 or math.isfinite(self._step_loss):
                self._job.event("bad_loss", words, step=step)
                progress.recent_losses = []
        else:
            norms = [*self._norms, _finite(self._record.grad_norm)]
            rows = self._record.row_numbers()
            error = bad_loss_error(words, step, rows, norms, self._dtype, self._spec, self._job.run.id)
            self._job.event("bad_loss", error.what, step=step, rows=rows[:100], grad_norms=norms, dtype=self._dtype)
            raise error

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self._control.step_ends(self.trainer, control)
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not logs or "loss" not in logs:
            return  # the summary at the end
        step, tokens = state.global_step, int(state.num_input_tokens_seen)
        state.log_history.clear()  # it would grow with every step, and every checkpoint with it
        self.loss = _finite(self._step_loss)
        grad_norm = _finite(logs.get("grad_norm"))
        self._norms.append(grad_norm)
        prompt, reasoning, response = self._record.section_means()
        now = time.monotonic()
        metric = StepMetric(
            step=step,
            time=time.time(),
            loss=self.loss,
            learning_rate=_finite(logs.get("learning_rate")),
            grad_norm=grad_norm,
            tokens_per_second=(tokens - self._tokens) / max(now - self._began, 1e-9),
            tokens=tokens,
            epoch=float(state.epoch or 0.0),
            memory=peak_memory(),
            loss_prompt=prompt,
            loss_reasoning=reasoning,
            loss_response=response,
        )
        self._append(metric)
        self._control.copy_numbers(step, mirrored_numbers(metric))
        self._tokens = tokens
        self._steps_here += 1
        if self._steps_here == 1:
            self._first_ended = now
        self._job.status.update_later(
            step=step, seconds_left=self._seconds_left(now, state.max_steps - step), message=self._message()
        )
        if self._steps_here == 1:
            self._job.status.update()

    def _append(self, line: StepMetric | ResumedAt) -> None:
        try:
            self._job.run.append_metric(line)
        except OSError as error:  # a full disk: the run continues with a gap in its curve, and the log has the reason
            print(f"metrics.jsonl cannot be written: {error}", file=sys.stderr, flush=True)
            return
        if self._curve is not None:
            self._curve.append(line)

    def _open_curve(self) -> CurveWriter | None:
        try:
            return CurveWriter(self._job.run.path)
        except OSError as error:
            print(f"curve.bin cannot be written: {error}", file=sys.stderr, flush=True)
            return None

    def _seconds_left(self, now: float, steps_left: int) -> float:
        """The estimate in seconds, from the steps of this process without its first, which compiles and allocates."""
        if self._steps_here < 2:
            return (now - self._began) * steps_left
        return (now - self._first_ended) / (self._steps_here - 1) * steps_left

    def _message(self) -> str:
        progress = self._control.progress
        if self._control.ending:
            return "ending after this step"
        if progress.not_finite:
            return (
                f"training; the loss was not a finite number in {progress.not_finite} steps, first at step "
                f"{progress.first_not_finite}: lower the learning rate"
            )
        return "training"


def mirrored_numbers(metric: StepMetric) -> dict[str, float | None]:
    """The numbers of a step for other programs, by their names there."""
    numbers = msgspec.structs.asdict(metric)
    return {f"train/{name}": value for name, value in numbers.items() if name not in ("step", "time")}


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
