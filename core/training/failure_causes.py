"""Explains the exception that ended a run to the user. Imports nothing heavy, so that it works with little memory."""

from __future__ import annotations

import errno
from typing import Any

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from core.runs.spec import RunSpec
from core.runs.status_file import FailureCause
from core.training.memory_failure import change_that_fits, part_that_grew

_SEE = "See console.log in the run's folder for the details"


def failure_cause(
    error: BaseException, spec: RunSpec | None, where: str, facts: dict[str, Any] | None = None, checkpoint: int = 0
) -> FailureCause:
    """The cause for the user. where: the run, for errors without their own `where`. facts: what the run has found out,
    for a change that is sure to fit; checkpoint: the step of its newest one, 0 without one."""
    if isinstance(error, SuironError):
        return FailureCause(error.what, error.where or where, error.do)
    if ran_out_of_memory(error):
        gpu = _on_gpu(error)
        part = part_that_grew(error)
        of = f" for {part}" if part else ""
        kept = f"; the checkpoint of step {checkpoint} is kept" if checkpoint else ""
        what = f"{'the GPU' if gpu else 'this machine'} ran out of memory{of}{_at(spec)}{kept}"
        change = change_that_fits(error, spec, facts or {}) if spec is not None else ""
        return FailureCause(what, spec.model.name if spec else where, change or smaller_setting(spec, gpu=gpu))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FailureCause("the disk is full", str(error.filename or where), "Free some space and start the run again")
    lines = str(error).strip().splitlines()
    return FailureCause(f"{type(error).__name__}: {safe_line(lines[0], 200) if lines else 'no message'}", where, _SEE)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or in the machine."""
    return _on_gpu(error) or isinstance(error, MemoryError) or "can't allocate memory" in str(error)


def _on_gpu(error: BaseException) -> bool:
    """Whether the GPU ran out of memory: torch.OutOfMemoryError by name, or errors of other libraries."""
    return (
        type(error).__name__ == "OutOfMemoryError"
        or "CUDA out of memory" in str(error)
        or "CUBLAS_STATUS_ALLOC_FAILED" in str(error)
    )


def _at(spec: RunSpec | None) -> str:
    return f" (batch size {spec.train.batch_size}, rows of up to {spec.prompt.max_seq_length} tokens)" if spec else ""


def smaller_setting(spec: RunSpec | None, gpu: bool) -> str:
    """The next smaller setting to try, as a sentence without its full stop."""
    if spec is None:
        return "Choose a smaller model, or stop other programs that use the memory"
    train, prompt = spec.train, spec.prompt
    if train.batch_size > 1:
        half = train.batch_size // 2
        more = train.gradient_accumulation * train.batch_size // half
        return f"Set train.batch_size = {half} and train.gradient_accumulation = {more}, which trains the same way"
    if not train.gradient_checkpointing:
        return "Set train.gradient_checkpointing = true"
    if gpu and not spec.model.load_in_4bit:
        return "Set model.load_in_4bit = true"
    if prompt.max_seq_length > 512:
        return (
            f"Set prompt.max_seq_length = {prompt.max_seq_length // 2}; rows that are longer are left out and counted"
        )
    return "Choose a smaller model"
