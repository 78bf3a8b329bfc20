"""Curves over optimizer steps for charts: thinned to the columns of a chart, smoothed, with axes that rarely move.

Pure: knows nothing of run folders, charts or screens. Values are float64, NaN where there is none; steps ascend.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Numbers = Sequence[float] | np.ndarray[Any, np.dtype[Any]]

SMOOTHING = 0.9  # the weight of the past in the moving average: about the last ten steps
_NO_LONGER_COUNTS = 1e-9  # a weight below this changes no digit that is shown


def smooth_at(values: Numbers, indices: Sequence[int], weight: float = SMOOTHING) -> list[float]:
    """The exponential moving average with Adam's bias correction (arXiv 1412.6980) of `values` up to each of
    `indices`; values that are not finite are left out. NaN where there is none before.

    Only the values that still count are looked at: at a few hundred columns, a million steps cost as much as a
    thousand.
    """
    import numpy as np

    array = np.asarray(values, np.float64)
    window = math.ceil(math.log(_NO_LONGER_COUNTS) / math.log(weight)) if weight else 1
    weights = weight ** np.arange(window - 1, -1, -1.0)
    means = []
    for index in indices:
        recent = array[max(0, index + 1 - window) : index + 1]
        recent = recent[np.isfinite(recent)]
        own = weights[window - len(recent) :]
        means.append(float(own @ recent / own.sum()) if len(recent) else math.nan)
    return means


def decimate_min_max(
    steps: Numbers, values: Numbers, lower: float, upper: float, bins: int
) -> tuple[list[float], list[float]]:
    """At most two points for each of `bins` equal parts of [lower, upper]: its smallest and its largest finite value,
    in step order. Returns their steps and values.

    A peak of one step is kept, even with many steps in its part. New points only change the last part, so that earlier
    points stay as drawn.
    """
    import numpy as np

    xs, ys = np.asarray(steps), np.asarray(values, np.float64)
    picked: list[int] = []
    for start, stop in _parts(xs, lower, upper, bins):
        part = ys[start:stop]
        finite = np.isfinite(part)
        if not finite.all():
            where = np.nonzero(finite)[0]
            part = part[where]
            picks = {int(where[part.argmin()]), int(where[part.argmax()])} if len(part) else set()
        else:
            picks = {int(part.argmin()), int(part.argmax())} if len(part) > 2 else set(range(len(part)))
        picked += sorted(start + index for index in picks)
    return xs[picked].tolist() if picked else [], ys[picked].tolist() if picked else []


def last_of_parts(steps: Numbers, lower: float, upper: float, bins: int) -> list[int]:
    """The index of the last point of each of `bins` equal parts of [lower, upper]: enough for a curve that is already
    smooth."""
    import numpy as np

    return [stop - 1 for _, stop in _parts(np.asarray(steps), lower, upper, bins)]


def not_finite_parts(steps: Numbers, values: Numbers, lower: float, upper: float, bins: int) -> list[float]:
    """The first step whose value is not finite in each part that has one."""
    import numpy as np

    xs = np.asarray(steps)
    bad = np.nonzero(~np.isfinite(np.asarray(values, np.float64)))[0]
    return [float(xs[bad[start]]) for start, _ in _parts(xs[bad], lower, upper, bins)] if len(bad) else []


def _parts(steps: Any, lower: float, upper: float, bins: int) -> Iterator[tuple[int, int]]:
    """Start and end in `steps` of each of `bins` equal parts of [lower, upper]; parts without points are skipped."""
    import numpy as np

    edges = lower + np.arange(bins) * ((upper - lower) / bins)
    if steps.dtype.kind == "i":  # numpy would copy a million whole numbers as floats
        edges, upper = np.ceil(edges).astype(steps.dtype), math.floor(upper)
    starts = [*np.searchsorted(steps, edges).tolist(), int(np.searchsorted(steps, upper, "right"))]
    for start, stop in itertools.pairwise(starts):
        if stop > start:
            yield start, stop


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
