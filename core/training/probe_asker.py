"""Asks the model that is being trained its probe questions and writes what it answers. Changes nothing of the training:
no random number, no weight, no gradient. Imports torch."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import torch

from core.base.plural import counted
from core.models.padded_rows import PaddedRows
from core.runs.job_requests import JobRequest
from core.runs.process import JobProcess
from core.runs.run_folder import RunFolder
from core.runs.samples_file import ProbeAnswer, append_sample
from core.tokens.detokenizer import Detokenizer
from core.tokens.tokenizer import TextTokenizer
from core.training.failure_causes import failure_cause
from core.training.probe_decoding import NOT_FINITE, WholeRows, greedy_tokens
from core.training.probe_questions import Probe

if TYPE_CHECKING:
    from core.training.trainer import RunTrainer

_NO_LIMIT = 1 << 20  # tokens of context, for architectures that do not say
_BATCH = 8  # questions that are answered at the same time


class SampleCounts(msgspec.Struct, frozen=True):
    """What a sample has written."""

    answers: int
    """How many answers."""
    tokens: int
    """Their tokens."""
    seconds: float
    """How long it took."""


class ProbeAsker:
    """Asks one run's questions. choose: finds them, when they are asked for the first time. whole: whether the model's
    cache cannot be used, see `WholeRows`."""

    def __init__(
        self,
        run: RunFolder,
        tokenizer: TextTokenizer,
        max_tokens: int,
        choose: Callable[[], list[Probe]],
        *,
        whole: bool,
    ) -> None:
        self._run, self._tokenizer, self._max_tokens, self._choose = run, tokenizer, max_tokens, choose
        self._whole = whole
        self._probes: list[Probe] | None = None

    def sample(self, trainer: RunTrainer, step: int, stopped: Callable[[], bool]) -> SampleCounts | None:
        """Ask what was not asked at this step yet, and write the answers. None where `stopped` turned true before all
        were written.

        Raises SuironError where there is nothing to ask, OSError where nothing can be written, and the errors of torch.
        """
        if self._probes is None:
            self._probes = self._choose()
        written = self._run.samples()
        known = {question.id for question in written.questions}
        for probe in self._probes:
            if probe.question.id not in known:
                append_sample(self._run.path, probe.question)
        left = [probe for probe in self._probes if written.answer(probe.question.id, step) is None]
        began, tokens = time.monotonic(), 0
        model = trainer.model
        was_training, args = model.training, trainer.args
        autocast = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None
        device = args.device
        with (
            torch.random.fork_rng([device.index or 0] if device.type == "cuda" else []),
            torch.no_grad(),
            torch.autocast(device.type, autocast, enabled=autocast is not None),
        ):
            model.eval()
            try:
                for part in self._parts(model, left):
                    answers = self._answer(model, part, step, stopped)
                    if answers is None:
                        return None
                    for answer in answers:
                        append_sample(self._run.path, answer)
                        tokens += answer.tokens
            finally:
                model.train(was_training)
        return SampleCounts(len(left), tokens, time.monotonic() - began)

    def _parts(self, model: Any, probes: list[Probe]) -> list[list[Probe]]:
        """The questions that are answered together, those of a length beside each other."""
        size = _BATCH if self._stepper(model).takes_padding else 1
        by_length = sorted(probes, key=lambda probe: len(probe.ids))
        return [by_length[first : first + size] for first in range(0, len(by_length), size)]

    def _stepper(self, model: Any) -> PaddedRows | WholeRows:
        return (WholeRows if self._whole else PaddedRows)(model, self._tokenizer.eos_id)

    def _answer(
        self, model: Any, probes: Sequence[Probe], step: int, stopped: Callable[[], bool]
    ) -> list[ProbeAnswer] | None:
        rows = [_WrittenAnswer(probe, self._tokenizer) for probe in probes]
        limit = min(self._max_tokens, max(1, _context(model) - max(len(probe.ids) for probe in probes)))
        done = greedy_tokens(
            self._stepper(model),
            [probe.ids for probe in probes],
            limit,
            lambda row, token: rows[row].ends_with(token),
            stopped,
        )
        return [row.finished(step) for row in rows] if done else None


class Sampling:
    """Lets a run sample, and says so in its events. A sample that fails is an event and not the end of the run."""

    def __init__(self, job: JobProcess, asker: ProbeAsker) -> None:
        self._job, self._asker = job, asker

    def sample(self, trainer: RunTrainer, step: int, requests: Sequence[JobRequest]) -> None:
        """Sample at this step, as `requests` ask. Of several ranks only rank 0 asks, and the others go on and wait."""
        job = self._job
        if not job.writes:
            return
        job.status.update(state="evaluating", step=step, message="answering the probe questions")
        try:
            counts = self._asker.sample(trainer, step, lambda: job.termination.asked)
        except Exception as error:  # of the disk, or torch's own; memory that ran out is free again
            traceback.print_exc()
            why = failure_cause(error, None, job.run.id).what
            job.event("sample_failed", f"the probe questions could not be answered: {why}", step=step)
            for request in requests:
                job.refused(request, why, step)
        else:
            self._say(counts, step, requests)
        job.status.update(state="training", message="training")

    def _say(self, counts: SampleCounts | None, step: int, requests: Sequence[JobRequest]) -> None:
        job = self._job
        if counts is None:
            for request in requests:
                job.refused(request, "the run was asked to end meanwhile", step)
            return
        words = f"{counted(counts.answers, 'probe question')} answered"
        if counts.answers:
            job.event("sampled", words, step=step, tokens=counts.tokens, seconds=round(counts.seconds, 3))
        for request in requests:
            job.obeyed(request, words if counts.answers else "the probe questions were answered at this step", step)


def _context(model: Any) -> int:
    """The most tokens of a sequence."""
    return int(getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None) or _NO_LIMIT)


class _WrittenAnswer:
    """An answer while it is written."""

    def __init__(self, probe: Probe, tokenizer: TextTokenizer) -> None:
        self._id, self._splitter = probe.question.id, probe.splitter()
        self._stop_ids = tokenizer.stop_ids
        self._detokenizer = Detokenizer(tokenizer, at_start=False)
        self._tokens, self._finish = 0, "length"

    def ends_with(self, token: int) -> bool:
        """Take the next token; whether the answer ends with it."""
        if token == NOT_FINITE or token in self._stop_ids:
            self._finish = "not_finite" if token == NOT_FINITE else "end"
            return True
        self._tokens += 1
        if text := self._detokenizer.push(token):
            self._splitter.feed(text)
        if self._splitter.ran_away:
            self._finish = "runaway"
        return bool(self._splitter.ran_away)

    def finished(self, step: int) -> ProbeAnswer:
        if text := self._detokenizer.close():
            self._splitter.feed(text)
        self._splitter.close()
        return ProbeAnswer(
            step=step,
            question=self._id,
            reasoning=self._splitter.reasoning,
            response=self._splitter.response,
            finish=self._finish,
            tokens=self._tokens,
            time=time.time(),
        )
