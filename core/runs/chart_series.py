"""A curve over optimizer steps: smoothed as it grows, decimated to the columns of a chart, with axes that rarely move.

Pure and without numpy: knows nothing of run folders, charts or screens. Steps only grow; when a run resumes from a
checkpoint and writes its steps again, all points from that step on are dropped.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

SMOOTHING = 0.9  # the weight of the past in the moving average: about the last ten steps


class StepSeries:
    """A number per step, with its moving average."""

    def __init__(self, smoothing: float = SMOOTHING) -> None:
        self._weight = smoothing
        self.steps: list[int] = []
        """Steps with a finite value, ascending."""
        self.values: list[float] = []
        """Their values, as many as `steps`."""
        self.smooth: list[float] = []
        """Their exponential moving average with Adam's bias correction (arXiv 1412.6980), as many as `steps`."""
        self.gaps: list[int] = []
        """Steps whose value was not a finite number, ascending."""

    @property
    def last_step(self) -> int:
        """The newest step, finite or not; 0 where there is none."""
        return max(self.steps[-1] if self.steps else 0, self.gaps[-1] if self.gaps else 0)

    def add(self, step: int, value: float | None) -> None:
        """Add one point; None, an infinity or a NaN is a gap. A step that was added before is replaced, and all steps
        after it are dropped."""
        self.drop_after(step - 1)
        if value is None or not math.isfinite(value):
            self.gaps.append(step)
            return
        count = len(self.values)
        total = self.smooth[-1] * (1 - self._weight**count) if count else 0.0
        total = self._weight * total + (1 - self._weight) * value
        self.steps.append(step)
        self.values.append(value)
        self.smooth.append(total / (1 - self._weight ** (count + 1)))

    def add_many(self, steps: Iterable[int], values: Iterable[float]) -> None:
        """Add points after all others, in ascending order: as `add` does, and faster for a million."""
        weight, rest, smooth = self._weight, 1 - self._weight, self.smooth
        count = len(self.values)
        total = smooth[-1] * (1 - weight**count) if count else 0.0
        power = weight**count
        for step, value in zip(steps, values, strict=True):
            if not math.isfinite(value):
                self.gaps.append(step)
                continue
            power *= weight
            total = weight * total + rest * value
            self.steps.append(step)
            self.values.append(value)
            smooth.append(total / (1 - power))

    def drop_after(self, step: int) -> None:
        """Drop all points after `step`: the run has resumed from there."""
        if step >= self.last_step:
            return
        keep = bisect_right(self.steps, step)
        del self.steps[keep:], self.values[keep:], self.smooth[keep:]
        del self.gaps[bisect_right(self.gaps, step) :]


def decimate_min_max(
    steps: Sequence[float], values: Sequence[float], lower: float, upper: float, bins: int
) -> tuple[list[float], list[float]]:
    """At most two points for each of `bins` equal parts of [lower, upper]: its smallest and its largest value, in step
    order. Returns their steps and values.

    `steps` must be ascending. A peak of one step is kept, even with many steps in its part. New points only change the
    last part, so that earlier points stay as drawn. One bisection per part and a few passes in C: 5 ms for 100,000
    points.
    """
    xs: list[float] = []
    ys: list[float] = []
    for start, stop in _parts(steps, lower, upper, bins):
        part = values[start:stop]
        picked = {part.index(min(part)), part.index(max(part))} if len(part) > 2 else range(len(part))
        for index in sorted(picked):
            xs.append(steps[start + index])
            ys.append(part[index])
    return xs, ys


def decimate_last(
    steps: Sequence[float], values: Sequence[float], lower: float, upper: float, bins: int
) -> tuple[list[float], list[float]]:
    """The last point of each part: enough for a curve that is already smooth, with one bisection per part."""
    last = [stop - 1 for _, stop in _parts(steps, lower, upper, bins)]
    return [steps[index] for index in last], [values[index] for index in last]


def _parts(steps: Sequence[float], lower: float, upper: float, bins: int) -> Iterator[tuple[int, int]]:
    """Start and end in `steps` of each of `bins` equal parts of [lower, upper]; parts without points are skipped."""
    start, end = bisect_left(steps, lower), bisect_right(steps, upper)
    width = (upper - lower) / bins
    for index in range(1, bins + 1):
        stop = end if index == bins else bisect_left(steps, lower + index * width, start, end)
        if stop > start:
            yield start, stop
        start = stop


def round_tick_step(span: float, parts: int) -> float:
    """The smallest of 1, 2 or 5 times a power of ten that divides `span` (above 0) into at most `parts` parts."""
    rough = span / max(1, parts)
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 5):
        if factor * power >= rough * (1 - 1e-9):
            return factor * power
    return 10 * power


AxisLimits = tuple[float, float]


def linear_axis_limits(low: float, high: float, before: AxisLimits | None = None) -> AxisLimits:
    """Round limits around [low, high] with some room, from zero where zero is near.

    before: the current limits; they stay while the values fit. Otherwise they grow on the side that is too short, by
    more than necessary, because every move of an axis redraws the chart.
    """
    if before is not None:
        if before[0] <= low and high <= before[1]:
            return before
        bottom, top = _grown(low, high, before)
        bottom = 0.0 if low >= 0 > bottom else bottom
    else:
        span = high - low
        room = span * 0.05 or abs(high) * 0.1 or 1.0
        bottom, top = 0.0 if 0 <= low < span / 2 else low - room, high + room
    step = round_tick_step(top - bottom, 5)
    return math.floor(bottom / step + 1e-9) * step, math.ceil(top / step - 1e-9) * step


def log_axis_limits(low: float, high: float, before: AxisLimits | None = None) -> AxisLimits:
    """Like `linear_axis_limits` for a logarithmic axis: values above 0; limits are 1, 2 or 5 times a power of ten."""
    if before is not None:
        if before[0] <= low and high <= before[1]:
            return before
        logs = _grown(math.log(low), math.log(high), (math.log(before[0]), math.log(before[1])))
        low, high = math.exp(logs[0]), math.exp(logs[1])
    marks = _log_marks(low, high)
    bottom = max(mark for mark in marks if mark <= low * (1 + 1e-9))
    top = min(mark for mark in marks if mark >= high * (1 - 1e-9))
    return (bottom, top) if bottom < top else (bottom / 2, top * 2)


def _grown(low: float, high: float, before: AxisLimits) -> AxisLimits:
    more = 0.2 * (max(high, before[1]) - min(low, before[0]))
    return low - more if low < before[0] else before[0], high + more if high > before[1] else before[1]


def linear_ticks(lower: float, upper: float, parts: int) -> list[float]:
    """Round positions within [lower, upper], at most `parts` + 1 of them."""
    step = round_tick_step(upper - lower, parts)
    first = math.ceil(lower / step - 1e-9)
    return [index * step for index in range(first, math.floor(upper / step + 1e-9) + 1)]


def log_ticks(lower: float, upper: float, parts: int) -> list[float]:
    """Positions at 1, 2 and 5 times powers of ten within [lower, upper]; where these are more than `parts` + 1, only
    the powers, then every second power, and so on."""
    marks = [mark for mark in _log_marks(lower, upper) if lower * (1 - 1e-9) <= mark <= upper * (1 + 1e-9)]
    if len(marks) <= parts + 1:
        return marks
    powers = [
        10.0**power for power in range(math.ceil(math.log10(lower) - 1e-9), math.floor(math.log10(upper) + 1e-9) + 1)
    ]
    if len(powers) < 2:
        return marks[:: math.ceil(len(marks) / (parts + 1))]
    return powers[:: math.ceil(len(powers) / (parts + 1))]


def tick_label(value: float) -> str:
    """The label of a tick in at most six characters, without unnecessary digits."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:.6g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _log_marks(lower: float, upper: float) -> list[float]:
    powers = range(math.floor(math.log10(lower)) - 1, math.ceil(math.log10(upper)) + 2)
    return [float(f"{factor}e{power}") for power in powers for factor in (1, 2, 5)]
