"""A loss that is not a finite number, or far above what the run began with: found before the optimizer uses it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.base.errors import RunError
from core.base.plural import counted
from core.runs.spec import RunSpec
from core.training.run_progress import RunProgress

FIRST, RECENT = 10, 5  # steps
TIMES, NATS = 3.0, 2.0  # a loss has exploded where it is above both this many times the first ones, and this much more
MOST_BACK_OFFS = 3
_SHOWN = 12  # rows and norms that are named


class BadLoss(RunError):
    """The run stops because of its loss."""


def bad_loss_words(loss: float, progress: RunProgress) -> str:
    """What is wrong with the loss of a step, as a clause; empty where nothing is. Remembers it."""
    if not math.isfinite(loss):
        return f"the loss is not a finite number ({loss})"
    if len(progress.first_losses) < FIRST:
        progress.first_losses.append(loss)
    progress.recent_losses = [*progress.recent_losses[-RECENT + 1 :], loss]
    if len(progress.first_losses) < FIRST or len(progress.recent_losses) < RECENT:
        return ""
    first, recent = _mean(progress.first_losses), _mean(progress.recent_losses)
    if recent > max(TIMES * first, first + NATS):
        return f"the loss has exploded: {recent:.3g} on average over the last {RECENT} steps, {first:.3g} at first"
    return ""


def bad_loss_error(
    words: str, step: int, rows: Sequence[int], norms: Sequence[float | None], dtype: str, spec: RunSpec, where: str
) -> BadLoss:
    """The error that ends the run. rows: of the step, by their index in the source; norms: of the gradients of the
    steps before and of this one; dtype: of the weights."""
    named = ", ".join(map(str, rows[:_SHOWN])) + (f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else "")
    before = ", ".join("not finite" if norm is None else f"{norm:.3g}" for norm in norms[-_SHOWN:])
    what = f"{words} at step {step} ({dtype}; {counted(len(rows), 'row')}: {named}; gradient norms up to it: {before})"
    go_on = f"`python -m core runs control {where} rate 0.25`, then `runs resume {where}`"
    do = f"{_what_to_try(dtype, spec)}, and look at these rows; {go_on} goes on from the newest checkpoint"
    return BadLoss(what, where, do)


def _what_to_try(dtype: str, spec: RunSpec) -> str:
    train = spec.train
    first = f"Set train.learning_rate to {train.learning_rate / 4:.1g}"
    if train.max_grad_norm == 0 or train.max_grad_norm > 1.0:
        first += " and train.max_grad_norm to 1.0"
    if dtype == "float16":
        return f"{first}, or train.dtype to bfloat16 where the GPU has it"
    if train.on_bad_loss != "back_off":
        return f"{first}, or train.on_bad_loss to back_off"
    return first


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
