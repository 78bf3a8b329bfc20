"""Each rule of the advice on a synthetic curve that it is for, and on one beside it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from core.runs.advice import Advice, RunNumbers, advise
from core.runs.events_file import JobEvent
from core.runs.metrics_file import StepMetric
from core.runs.run_curves import RunCurves, curves_of


def curves(count: int, loss: Callable[[int], float | None], **others: Callable[[int], float]) -> RunCurves:
    return curves_of(
        StepMetric(step, float(step), loss(step), **{name: of(step) for name, of in others.items()})
        for step in range(1, count + 1)
    )


def evaluations(*losses: float) -> list[JobEvent]:
    return [JobEvent("evaluated", step=10 * (n + 1), facts={"loss": loss}) for n, loss in enumerate(losses)]


def healthy(step: int) -> float:
    return 2 * math.exp(-step / 60) + 0.3


def rule(advice: Advice | None) -> str:
    return advice.rule if advice else ""


@pytest.mark.parametrize(
    ("numbers", "expected", "says"),
    [
        (RunNumbers(RunCurves()), "", ""),
        (RunNumbers(curves(100, healthy)), "", ""),
        (RunNumbers(curves(20, lambda step: 1.0)), "", ""),  # too early to say anything
        (RunNumbers(curves(5, lambda step: 0.0)), "nothing_trained", "exactly 0"),
        (
            RunNumbers(RunCurves(), facts={"rows_left_out_nothing_learnt": 90, "rows_trained": 10}),
            "nothing_trained",
            "90",
        ),
        (RunNumbers(curves(50, lambda step: None if step > 40 else 1.0)), "diverged", "10 of the last 50"),
        (RunNumbers(curves(80, lambda step: healthy(step) if step < 60 else 5.0)), "diverged", "rose from"),
        (
            RunNumbers(curves(100, healthy, grad_norm=lambda step: 30.0 if step % 20 == 0 else 1.0)),
            "gradient_spikes",
            "5 gradient norms of the last 100",
        ),
        (RunNumbers(curves(100, healthy, grad_norm=lambda step: 30.0 if step == 50 else 1.0)), "", ""),
        (RunNumbers(curves(100, healthy), evaluations(1.0, 0.8, 0.9, 1.0)), "learns_by_heart", "lowest at step 20"),
        (RunNumbers(curves(100, healthy), evaluations(1.0, 0.8, 0.81, 0.9)), "", ""),
        (
            RunNumbers(
                curves(200, healthy, loss_reasoning=lambda step: 1.5, loss_response=lambda step: math.exp(-step / 100))
            ),
            "reasoning_is_flat",
            "the reasoning's by 0%",
        ),
        (RunNumbers(curves(100, lambda step: 1.5 + (step % 5) / 100)), "not_falling", "hardly falls"),
    ],
)
def test_a_rule_holds_for_the_curve_it_is_for(numbers: RunNumbers, expected: str, says: str) -> None:
    advice = advise(numbers)
    assert rule(advice) == expected
    if advice is not None:
        assert says in advice.words and advice.words.endswith(".")


def test_noise_on_a_falling_loss_is_no_reason_for_advice() -> None:
    rng = random.Random(3442)
    for _ in range(20):
        assert advise(RunNumbers(curves(150, lambda step: healthy(step) + abs(rng.gauss(0, 0.1))))) is None
