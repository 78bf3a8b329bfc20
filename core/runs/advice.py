"""Advice on a run that converges badly: stated rules on its numbers, the most urgent one in one sentence.

Each rule names the numbers it goes by. Pure; knows nothing of screens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from core.runs.chart_series import smooth_at
from core.runs.events_file import JobEvent
from core.runs.run_curves import RunCurves

LEAST_STEPS = 30  # before that, no loss says anything
FLAT = 0.02  # share of the loss by which it must fall over the second half of the steps, to count as falling
SPIKE = 10.0  # times the median norm, above which a gradient norm is a spike
SPIKES = 3  # of the last 100 steps
RISE = 0.05  # share by which the evaluation loss is above its lowest


class Advice(msgspec.Struct, frozen=True):
    """One sentence, and the rule that it comes from."""

    rule: str
    """The name of the rule."""
    words: str
    """The sentence, with its numbers."""


class RunNumbers(msgspec.Struct, frozen=True):
    """What the rules look at."""

    curves: RunCurves
    """The numbers by step."""
    events: Sequence[JobEvent] = ()
    """What happened to the run."""
    facts: Mapping[str, Any] = {}
    """What it found out about its rows."""
    warmup: int = 0
    """Steps of the warm-up."""


def advise(numbers: RunNumbers) -> Advice | None:
    """The first rule that holds, the most urgent first; None where none does."""
    return next((advice for rule in RULES if (advice := rule(numbers)) is not None), None)


def nothing_trained(numbers: RunNumbers) -> Advice | None:
    """Rows with no trained token, or every loss exactly zero: all labels are masked."""
    left_out = numbers.facts.get("rows_left_out_nothing_learnt")
    rows = numbers.facts.get("rows_trained")
    if isinstance(left_out, int) and isinstance(rows, int) and left_out > rows:
        words = f"{left_out:,} rows had no trained token and {rows:,} had: look at loss_on and the template."
        return Advice("nothing_trained", words)
    losses = _finite(numbers.curves, "loss")
    if len(losses) >= 3 and max(losses[-10:]) == 0.0:
        words = "The loss is exactly 0: all labels are masked; look at loss_on and the template in Prompts."
        return Advice("nothing_trained", words)
    return None


def diverged(numbers: RunNumbers) -> Advice | None:
    """The loss is not finite, or its moving average is over twice its lowest and 0.5 nats above it."""
    if not len(numbers.curves):
        return None
    values = numbers.curves.values("loss")
    bad = sum(not math.isfinite(value) for value in values[-100:].tolist())
    if bad:
        words = f"{bad} of the last {min(100, len(values))} losses are not finite: halve the learning rate."
        return Advice("diverged", words)
    means = _means(values)
    if len(values) >= LEAST_STEPS and means[-1] > 2 * min(means) and means[-1] > min(means) + 0.5:
        words = f"The mean loss rose from {min(means):.2f} to {means[-1]:.2f}: the rate is too high, halve it."
        return Advice("diverged", words)
    return None


def gradient_spikes(numbers: RunNumbers) -> Advice | None:
    """Gradient norms above ten times their median, three times in 100 steps."""
    norms = _finite(numbers.curves, "grad_norm")[-100:]
    if len(norms) < LEAST_STEPS:
        return None
    median = sorted(norms)[len(norms) // 2]
    spikes = sum(norm > SPIKE * median for norm in norms)
    if spikes < SPIKES or not median:
        return None
    words = f"{spikes} gradient norms of the last {len(norms)} are over {SPIKE:.0f} times their median {median:.2g}: "
    return Advice("gradient_spikes", words + "clip lower (max_grad_norm), or halve the rate.")


def learns_by_heart(numbers: RunNumbers) -> Advice | None:
    """The evaluation loss is over 5 % above its lowest in the last two evaluations, while the training loss falls."""
    losses = [
        (event.step, float(event.facts["loss"]))
        for event in numbers.events
        if event.kind == "evaluated" and isinstance(event.facts.get("loss"), int | float)
    ]
    if len(losses) < 3:
        return None
    step, lowest = min(losses, key=lambda pair: pair[1])
    if min(loss for _, loss in losses[-2:]) <= lowest * (1 + RISE):
        return None
    words = f"The evaluation loss was lowest at step {step} ({lowest:.3f}) and is {losses[-1][1]:.3f} now: "
    return Advice("learns_by_heart", words + "it learns by heart; stop, or take the best weights (use_best).")


def reasoning_is_flat(numbers: RunNumbers) -> Advice | None:
    """The loss of the response falls by over 10 % in the second half, that of the reasoning by under 2 %."""
    changes = {}
    for name in ("loss_reasoning", "loss_response"):
        values = _finite(numbers.curves, name)
        if len(values) < 2 * LEAST_STEPS:
            return None
        changes[name] = _fall(values)
    if changes["loss_reasoning"] >= FLAT or changes["loss_response"] <= 0.1:
        return None
    words = (
        f"In the second half the response's loss fell by {changes['loss_response']:.0%}, the reasoning's by "
        f"{max(0.0, changes['loss_reasoning']):.0%}: the reasoning is what is hard; look at its rows, or raise r."
    )
    return Advice("reasoning_is_flat", words)


def not_falling(numbers: RunNumbers) -> Advice | None:
    """After the warm-up, the loss fell by under 2 % from the first third of the steps to the last."""
    values = _finite(numbers.curves, "loss")[numbers.warmup :]
    if len(values) < 2 * LEAST_STEPS:
        return None
    third = len(values) // 3
    first, last = sum(values[:third]) / third, sum(values[-third:]) / third
    if first <= 0 or (first - last) / first >= FLAT:
        return None
    words = f"The loss hardly falls: {first:.3f} in the first third of the steps, {last:.3f} in the last; "
    return Advice("not_falling", words + "try a higher rate or rank, or look at what is trained.")


RULES: tuple[Callable[[RunNumbers], Advice | None], ...] = (
    nothing_trained,
    diverged,
    gradient_spikes,
    learns_by_heart,
    reasoning_is_flat,
    not_falling,
)
"""All rules, the most urgent first."""


def _finite(curves: RunCurves, name: str) -> list[float]:
    if not len(curves):
        return []
    return [value for value in curves.values(name)[-10_000:].tolist() if math.isfinite(value)]


def _means(values: Any) -> list[float]:
    """The moving average at up to 200 steps, the newest among them."""
    count = len(values)
    every = max(1, count // 200)
    means = smooth_at(values, list(range(count - 1, min(9, count - 1) - 1, -every))[::-1])
    return [mean for mean in means if math.isfinite(mean)] or [math.inf]


def _fall(values: Sequence[float]) -> float:
    """The share by which the second half's last third is below its first third."""
    half = values[len(values) // 2 :]
    third = max(1, len(half) // 3)
    first, last = sum(half[:third]) / third, sum(half[-third:]) / third
    return (first - last) / first if first > 0 else 0.0
