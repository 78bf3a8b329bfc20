"""Decides at the end of each step what happens: requests, checkpoints, evaluations, the end. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from core.base.errors import RunError
from core.runs.job_requests import JobRequest
from core.runs.process import JobProcess
from core.runs.spec import RunSpec
from core.runs.steering import LIVE_KEYS, check_request
from core.training.run_progress import BestEvaluation, RunProgress
from core.training.saving import Saver, rng_states
from core.training.validation import Evaluator

if TYPE_CHECKING:
    from core.training.number_mirror import NumberMirror
    from core.training.probe_asker import Sampling
    from core.training.trainer import RunTrainer

Ending = Literal["", "finished", "patience", "stop", "pause", "signal", "discard"]
_KEEPS_ADAPTER: frozenset[Ending] = frozenset({"finished", "patience", "stop"})


class RunControl:
    """The owner of a run's steps. replays: requests that changed a setting after the checkpoint from which the run goes
    on, by the step at which they were obeyed: they are done again there. sampling: asks the probe questions.
    mirror: gets a copy of the numbers."""

    def __init__(
        self,
        job: JobProcess,
        spec: RunSpec,
        progress: RunProgress,
        saver: Saver,
        evaluator: Evaluator | None,
        replays: dict[int, list[JobRequest]],
        sampling: Sampling | None = None,
        mirror: NumberMirror | None = None,
    ) -> None:
        self._job, self._spec, self._saver, self._evaluator = job, spec, saver, evaluator
        self._replays, self._sampling = replays, sampling
        self._mirror = mirror
        self.progress = progress
        """What must be remembered to go on."""
        self.ending: Ending = ""
        """How the run ends with this step; empty where it goes on."""
        self.adapter_saved = False
        """Whether the final adapter is on the disk."""
        self.adapter_failure = ""
        """Why the final adapter could not be saved, where it could not."""
        self.checkpoint_failure = ""
        """Why the last checkpoint could not be saved, where it could not."""
        self._waiting: list[JobRequest] = []  # for a checkpoint, an evaluation or a sample at the end of this step
        self._at_step_end: tuple[dict[str, Any], int] | None = None  # random numbers and tokens, between two steps
        self._in_step = False
        self._evaluates = self._samples = False  # at the end of this step

    # -- called by the callback --

    def begin(self, trainer: RunTrainer) -> None:
        """Before the first step of this process: what was asked while no process worked, and what the process before
        had left undone."""
        step = trainer.state.global_step
        trainer.args.max_grad_norm = self.progress.settings.max_grad_norm
        for asked_at in sorted(at for at in self._replays if at <= step):
            for request in self._replays.pop(asked_at):
                self._change(trainer, request, step, again=True)
        self._obey_new(trainer, step)
        self._job.termination.saves_itself()
        self._evaluates = step > 0 and self._evaluation_is_due(step) and self.progress.evaluated_at != step
        self._samples = self._sample_is_due(step)
        self.evaluate(trainer)

    def step_ends(self, trainer: RunTrainer, control: Any) -> None:
        """At the end of each step: sets what the trainer shall do now."""
        step, total = trainer.state.global_step, trainer.state.max_steps
        self._in_step = False
        for request in self._replays.pop(step, ()):
            self._change(trainer, request, step, again=True)
        self._obey_new(trainer, step)
        if self._job.termination.asked and not self.ending:
            self.ending = "signal"
        if step >= total and self.ending not in ("stop", "discard"):
            self.ending = "finished"
        if self._spec.train.gradient_accumulation > 1:
            self._remember(trainer)
        settings = self.progress.settings
        asked = {request.kind for request in self._waiting}
        ends, may = self.ending in _KEEPS_ADAPTER, self.ending not in ("signal", "discard")
        self._evaluates = (
            may and bool(self._evaluator) and ("evaluate" in asked or ends or self._evaluation_is_due(step))
        )
        self._samples = may and ("sample" in asked or self._sample_is_due(step, last=ends))
        saves = "checkpoint" in asked or self.ending != "" or _due(step, settings.save_steps)
        control.should_evaluate = self._evaluates or self._samples
        control.should_save = saves and self.ending != "discard"
        control.should_training_stop = self.ending != ""
        control.should_log = True

    def part_of_step_ends(self, control: Any) -> None:
        """Between two forward passes of a step: a signal does not wait for its end. What they have done is undone."""
        if self._job.termination.asked and not self.ending:
            self.ending, self._in_step = "signal", True
            control.should_training_stop = control.should_save = True

    def ends_in_step(self) -> bool:
        """Between two passes of a packed step: as `part_of_step_ends`, for a signal."""
        if self._job.termination.asked and not self.ending:
            self.ending, self._in_step = "signal", True
        return self._in_step

    def copy_numbers(self, step: int, numbers: Mapping[str, float | None]) -> None:
        """Copy numbers of a step, by name, to the programs of `train.report_to`."""
        if self._mirror is not None:
            self._mirror.add(step, numbers)

    # -- called by the trainer --

    def save(self, trainer: RunTrainer) -> None:
        step = trainer.state.global_step
        if self.ending == "discard" or step == 0:
            return
        status = self._job.status
        status.update(state="saving", step=step, message=f"saving a checkpoint of step {step}")
        rng = rng_states()
        if self._in_step and self._at_step_end is not None:
            rng, trainer.state.num_input_tokens_seen = self._at_step_end
        if self.ending in _KEEPS_ADAPTER:
            self.adapter_saved = self._save_adapter(trainer, step)
            self.adapter_failure = self._saver.failure
        saved = self._saver.checkpoint(trainer, step, rng, self.progress, must=self.ending != "" or bool(self._waiting))
        self.checkpoint_failure = "" if saved else self._saver.failure
        if saved:
            self._job.resumable_words = f"it goes on from step {step}"
        for request in self._take_waiting("checkpoint", "pause"):
            if saved:
                self._job.obeyed(request, f"a checkpoint of step {step} is saved", step)
            else:
                self._job.refused(request, f"no checkpoint can be saved: {self.checkpoint_failure}", step)
        if self.ending == "pause" and not saved:  # better to train on than to lose what was trained
            self.ending = ""
            trainer.control.should_training_stop = False
        status.update(state="training", message="training" if not self.ending else "ending")

    def evaluate(self, trainer: RunTrainer) -> dict[str, float]:
        """What is due at this step: an evaluation, a sample, or both."""
        losses = self._evaluate(trainer) if self._evaluates else {}
        if self._samples and self._sampling is not None:
            self._sampling.sample(trainer, trainer.state.global_step, self._take_waiting("sample"))
        self._evaluates = self._samples = False
        return losses

    # -- the parts --

    def _evaluate(self, trainer: RunTrainer) -> dict[str, float]:
        step = trainer.state.global_step
        if self._evaluator is None:
            return {}
        self._job.status.update(state="evaluating", message="evaluating on the rows kept out")
        losses = self._evaluator.evaluate(trainer, lambda: self._job.termination.asked)
        self._job.status.update(state="training", message="training")
        if losses is None:
            return {}
        facts = {name: value for name, value in msgspec.structs.asdict(losses).items() if value is not None}
        self._job.event("evaluated", f"evaluation loss {losses.loss:.4f}", step=step, **facts)
        self.copy_numbers(step, {f"eval/{name}": value for name, value in facts.items() if name != "rows"})
        for request in self._take_waiting("evaluate"):
            self._job.obeyed(request, f"evaluation loss {losses.loss:.4f}", step)
        self._compare(trainer, step, losses.loss)
        return {"eval_loss": losses.loss}

    def _save_adapter(self, trainer: RunTrainer, step: int) -> bool:
        best = self.progress.best
        if self._spec.validation.use_best and best is not None and best.step != step:
            return self._saver.adapter_of_best(best.step) or self._saver.adapter(trainer.model, step)
        return self._saver.adapter(trainer.model, step)

    def _compare(self, trainer: RunTrainer, step: int, loss: float) -> None:
        """Compare an evaluation with the best one; end the run where none was better for as long as it has patience."""
        progress = self.progress
        if progress.evaluated_at == step:
            return
        progress.evaluated_at = step
        if progress.best is None or loss < progress.best.loss:
            progress.best, progress.worse_evaluations = BestEvaluation(step, loss), 0
            if self._spec.validation.use_best:
                self._saver.best(trainer.model, step)
            return
        progress.worse_evaluations += 1
        if 0 < progress.settings.patience <= progress.worse_evaluations and not self.ending:
            self.ending = "patience"
            trainer.control.should_training_stop = trainer.control.should_save = True

    def _evaluation_is_due(self, step: int) -> bool:
        return self._evaluator is not None and _due(step, self.progress.settings.validation_steps)

    def _sample_is_due(self, step: int, last: bool = False) -> bool:
        every = self.progress.settings.samples_steps
        return self._sampling is not None and (_due(step, every) or (last and every > 0))

    def _obey_new(self, trainer: RunTrainer, step: int) -> None:
        for request in self._job.new_requests():
            try:
                request = check_request(request, self._spec)
            except RunError as error:
                self._job.refused(request, error.what, step)
                continue
            self._obey(trainer, request, step)

    def _obey(self, trainer: RunTrainer, request: JobRequest, step: int) -> None:
        kind, job = request.kind, self._job
        if kind in ("rate", "set"):
            self._change(trainer, request, step)
        elif kind in ("checkpoint", "evaluate", "sample"):
            self._waiting.append(request)
        elif self.ending:
            job.refused(request, "the run is ending already", step)
        elif kind == "pause":
            if step >= trainer.state.max_steps:
                job.refused(request, "the run has finished with this step", step)
            else:
                self.ending = "pause"
                self._waiting.append(request)
        elif kind == "stop":
            self.ending = "stop"
            job.obeyed(request, "stops and saves", step)
        else:
            self.ending = "discard"
            job.obeyed(request, "stops without saving", step)

    def _change(self, trainer: RunTrainer, request: JobRequest, step: int, again: bool = False) -> None:
        """Change the rate or a setting. again: after a resumption, at the step where it was changed before."""
        if request.kind == "rate":
            scale_learning_rate(trainer, request.value)
            self.progress.rate_factor *= request.value
            words = f"learning rate times {request.value:g}"
        else:
            setattr(self.progress.settings, LIVE_KEYS[request.key], request.value)
            trainer.args.max_grad_norm = self.progress.settings.max_grad_norm
            words = f"{request.key} = {request.value}"
        self.progress.handled.append(request.name)
        self._job.obeyed(request, f"{words}, again after resuming" if again else words, step)

    def back_off(self, trainer: RunTrainer, words: str, step: int) -> None:
        """Leave out the update of this step and halve the learning rate."""
        self.progress.back_offs += 1
        for group in trainer.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None  # the optimizer leaves parameters without gradients as they are
        scale_learning_rate(trainer, 0.5)
        self.progress.rate_factor *= 0.5
        self.progress.recent_losses = []
        self._job.event(
            "bad_loss", f"{words}: the update is left out and the learning rate halved", step=step, rate_factor=0.5
        )

    def refuse_rest(self, step: int) -> None:
        """After the last step: say of everything that was asked and not done that it was not."""
        for request in (*self._take_waiting("checkpoint", "evaluate", "sample", "pause"), *self._job.new_requests()):
            self._job.refused(request, "the run has ended", step)

    def _take_waiting(self, *kinds: str) -> list[JobRequest]:
        taken = [request for request in self._waiting if request.kind in kinds]
        self._waiting = [request for request in self._waiting if request.kind not in kinds]
        return taken

    def _remember(self, trainer: RunTrainer) -> None:
        self._at_step_end = (rng_states(), trainer.state.num_input_tokens_seen)


def scale_learning_rate(trainer: Any, factor: float) -> None:
    """Multiply the rate of the next steps by `factor`: the schedule goes on, scaled."""
    scheduler = trainer.lr_scheduler
    scheduler.base_lrs = [rate * factor for rate in scheduler.base_lrs]
    scheduler._last_lr = [rate * factor for rate in scheduler.get_last_lr()]  # what is logged for the next step
    for group in trainer.optimizer.param_groups:
        group["lr"] *= factor
        if "initial_lr" in group:
            group["initial_lr"] *= factor


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
