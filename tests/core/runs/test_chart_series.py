from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.runs.chart_series import (
    decimate_min_max,
    last_of_parts,
    linear_axis_limits,
    linear_ticks,
    log_axis_limits,
    log_ticks,
    not_finite_parts,
    round_tick_step,
    smooth_at,
    tick_label,
)

finite = st.floats(-1e6, 1e6)
positive = st.floats(1e-6, 1e6)


def test_smoothing_of_a_constant_is_that_constant_from_the_first_point_on() -> None:
    assert smooth_at([2.5] * 49, range(49)) == pytest.approx([2.5] * 49)


def test_smoothing_is_the_bias_corrected_moving_average() -> None:
    means = [4.0, (0.25 * 4 + 0.5 * 2) / 0.75, (0.125 * 4 + 0.25 * 2 + 0.5 * 8) / 0.875]
    assert smooth_at([4.0, 2.0, 8.0], range(3), weight=0.5) == pytest.approx(means)
    assert smooth_at([4.0, math.nan, 2.0, math.inf, 8.0], [0, 2, 4], weight=0.5) == pytest.approx(means)
    assert math.isnan(smooth_at([math.nan, 1.0], [0])[0])


@given(st.lists(finite, min_size=1, max_size=600))
def test_smoothing_looks_back_far_enough(values: list[float]) -> None:
    mean, total = 0.0, 0.0
    for value in values:
        mean, total = 0.9 * mean + 0.1 * value, 0.9 * total + 0.1
    assert smooth_at(values, [len(values) - 1])[0] == pytest.approx(mean / total, rel=1e-6, abs=0.1)


def test_values_that_are_not_finite_are_found_and_not_drawn() -> None:
    steps, values = [1, 2, 3, 4, 5], [1.0, math.nan, math.inf, 2.0, -math.inf]
    assert decimate_min_max(steps, values, 0, 5, 5) == ([1, 4], [1.0, 2.0])
    assert not_finite_parts(steps, values, 0, 5, 5) == [2, 3, 5]
    assert not_finite_parts(steps, values, 0, 5, 1) == [2]
    assert not_finite_parts([1], [1.0], 0, 5, 1) == []


@given(st.lists(finite, max_size=300), st.integers(1, 40))
def test_thinning_keeps_the_extremes_and_the_order(values: list[float], bins: int) -> None:
    steps = list(range(1, len(values) + 1))
    xs, ys = decimate_min_max(steps, values, 0, 300, bins)
    assert len(xs) == len(ys) <= 2 * bins
    assert xs == sorted(xs)
    assert all(values[int(x) - 1] == y for x, y in zip(xs, ys, strict=True))
    if values:
        assert (min(ys), max(ys)) == (min(values), max(values))


@given(st.lists(finite, min_size=1, max_size=200), st.integers(1, 40), finite)
def test_a_new_point_changes_the_last_part_alone(values: list[float], bins: int, more: float) -> None:
    """What is drawn stays drawn: all but the last part's points come out the same after another step."""
    steps = list(range(1, len(values) + 1))
    before = list(zip(*decimate_min_max(steps, values, 0, 300, bins), strict=True))
    after = list(zip(*decimate_min_max([*steps, len(values) + 1], [*values, more], 0, 300, bins), strict=True))
    assert after[: max(0, len(before) - 2)] == before[: max(0, len(before) - 2)]


def test_thinning_leaves_out_what_lies_outside() -> None:
    assert decimate_min_max([1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0], 2, 3, 5) == ([2, 3], [2.0, 3.0])
    assert last_of_parts([1, 2, 3, 4], 0, 4, 2) == [0, 3]


@given(finite, finite)
def test_limits_hold_the_values(one: float, other: float) -> None:
    low, high = sorted((one, other))
    bottom, top = linear_axis_limits(low, high)
    assert bottom < top
    assert bottom <= low + abs(low) * 1e-9
    assert top >= high - abs(high) * 1e-9


@given(positive, positive)
def test_logarithmic_limits_hold_the_values(one: float, other: float) -> None:
    low, high = sorted((one, other))
    bottom, top = log_axis_limits(low, high)
    assert 0 < bottom <= low * (1 + 1e-9)
    assert top >= high * (1 - 1e-9)
    assert bottom < top


@pytest.mark.parametrize("limits", [linear_axis_limits, log_axis_limits])
def test_limits_stay_while_the_values_fit_and_grow_further_than_they_must(limits: object) -> None:
    assert callable(limits)
    assert limits(0.9, 1.4, (0.8, 1.6)) == (0.8, 1.6)
    bottom, top = limits(0.78, 1.4, (0.8, 1.6))
    assert bottom < 0.75
    assert top >= 1.6


def test_a_noisy_falling_loss_seldom_moves_its_axis() -> None:
    moves, before, low, high = 0, None, math.inf, -math.inf
    for step in range(300):
        value = 0.95 + 0.5 * math.exp(-step / 40) + 0.1 * math.sin(step * 12.9898)
        low, high = min(low, value), max(high, value)
        after = linear_axis_limits(low, high, before)
        moves, before = moves + (after != before), after
    assert moves <= 6


@given(st.floats(1e-9, 1e9), st.integers(1, 20))
def test_a_nice_step_is_round_and_large_enough(span: float, parts: int) -> None:
    step = round_tick_step(span, parts)
    assert span / step <= parts * (1 + 1e-6)
    assert f"{step:.0e}"[0] in "125"


def test_ticks_are_round_and_few() -> None:
    assert linear_ticks(0, 300, 6) == [0, 50, 100, 150, 200, 250, 300]
    assert [tick_label(tick) for tick in linear_ticks(0.0, 0.3, 3)] == ["0", "0.1", "0.2", "0.3"]
    assert log_ticks(0.05, 2, 6) == [0.05, 0.1, 0.2, 0.5, 1, 2]
    assert log_ticks(0.0001, 1000, 3) == [0.0001, 0.01, 1, 100]


@pytest.mark.parametrize(
    ("value", "label"), [(0, "0"), (20000, "20000"), (0.0005, "5e-4"), (2e7, "2e7"), (0.30000000000000004, "0.3")]
)
def test_tick_labels_fit_in_six_cells(value: float, label: str) -> None:
    assert tick_label(value) == label
    assert len(label) <= 6
