"""The numbers of a run as they grow, with a history and without, and the charts made of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.runs.curve_file import CURVE_VALUES, Curve
from core.runs.events_file import JobEvent
from core.runs.metrics_file import StepMetric
from core.runs.run_charts import CHARTS, chart_events, run_chart
from core.runs.run_curves import RunCurves, curves_of


def metric(step: int, loss: float | None, **others: float) -> StepMetric:
    return StepMetric(step, float(step), loss, **others)


def history(losses: list[float]) -> Curve:
    steps = np.arange(1, len(losses) + 1)
    values = {name: np.full(len(losses), math.nan) for name in CURVE_VALUES} | {"loss": np.array(losses, float)}
    return Curve(steps, steps.astype(float), values)


@given(st.integers(0, 12), st.lists(st.tuples(st.integers(1, 20), st.floats(-9, 9)), max_size=30), st.booleans())
def test_steps_seen_again_replace_what_came_after_them(past: int, added: list[tuple[int, float]], early: bool) -> None:
    curves, plain = RunCurves(), dict[int, float]()
    if past:
        curves.load(history([1.0] * past))
        plain = dict.fromkeys(range(1, past + 1), 1.0)
    if early:  # a column that grows, or one that is made at the end: both the same
        curves.values("loss"), curves.steps
    for step, loss in added:
        curves.add(metric(step, loss))
        plain = {old: value for old, value in plain.items() if old < step} | {step: loss}
    assert (curves.steps.tolist(), curves.values("loss").tolist()) == (list(plain), list(plain.values()))
    assert len(curves) == len(plain) and curves.last_step == max(plain, default=0)
    curves.drop_after(7)
    assert curves.steps.tolist() == [step for step in plain if step <= 7]


def test_numbers_that_are_not_there_are_nan() -> None:
    curves = curves_of([metric(1, None), metric(2, 1.0, loss_response=0.5, grad_norm=3.0)])
    assert np.isnan(curves.values("loss")).tolist() == [True, False]
    assert curves.values("loss_response")[1] == 0.5 and np.isnan(curves.values("memory")).all()


@pytest.mark.parametrize("kind", CHARTS)
def test_every_chart_of_every_run_can_be_made(kind: str) -> None:
    full = curves_of([metric(1, 2.0, loss_reasoning=1.0, loss_response=0.5, learning_rate=1e-4, memory=2.0)])
    for curves in (RunCurves(), full):
        chart = run_chart(kind, curves, [], {"other": full})
        assert chart.lines[-1].letter == "B" and chart.lines[-1].name == "other"
    assert run_chart(kind, full).lines


def test_sections_without_numbers_have_no_line_and_lines_have_letters() -> None:
    chart = run_chart("sections", curves_of([metric(1, 2.0, loss_reasoning=1.0, loss_response=0.5)]))
    assert [(line.name, line.letter) for line in chart.lines] == [("reasoning", "R"), ("response", "A")]


def test_evaluations_that_a_resumption_undid_are_not_drawn() -> None:
    events = [
        JobEvent("evaluated", step=10, facts={"loss": 1.0}),
        JobEvent("evaluated", step=20, facts={"loss": 0.5}),
        JobEvent("resumed", step=15),
        JobEvent("evaluated", step=20, facts={"loss": 0.7}),
        JobEvent("evaluated", step=30, facts={"loss": "low"}),
    ]
    line = run_chart("loss", curves_of([metric(1, 2.0)]), events).lines[-1]
    assert (line.name, line.steps, line.values) == ("evaluation", [10, 20], [1.0, 0.7])


def test_events_are_marked_with_letters() -> None:
    events = [
        JobEvent("started"),
        JobEvent("obeyed", step=3, words="learning rate times 0.5", facts={"asked": "rate"}),
        JobEvent("saved", step=5, words="checkpoint"),
        JobEvent("obeyed", step=7, facts={"asked": "pause"}),
        JobEvent("resumed", step=7),
        JobEvent("bad_loss", step=9),
        JobEvent("colour", step=9),
    ]
    assert [(mark.step, mark.letter) for mark in chart_events(events)] == [
        (3, "↕"),
        (5, "s"),
        (7, "p"),
        (7, "r"),
        (9, "!"),
    ]
