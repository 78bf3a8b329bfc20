"""Draws a chart of a run with plotext into rows of text with roles.

Only this module imports plotext, on first use. That pulls in numpy and costs 0.15 s: call `import_plotext` in a thread
before the first `draw_chart`. Everything else is pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from core.runs.chart_series import (
    AxisLimits,
    decimate_min_max,
    last_of_parts,
    linear_axis_limits,
    linear_ticks,
    log_axis_limits,
    log_ticks,
    not_finite_parts,
    smooth_at,
    tick_label,
)
from core.runs.run_charts import OTHER_LETTERS, ChartLine, RunChart
from tui.common.plot_cells import plot_row

AXIS, RAW, SMOOTH, BAD = "chart--axis", "chart--raw", "chart--smooth", "chart--bad"
THIRD, OTHER, EVENT = "chart--third", "chart--other", "chart--event"
GAP = "×"
# plotext gives each cell one of the terminal's sixteen colours; here a colour only identifies the role of the cell.
_CODES = {RAW: 1, SMOOTH: 2, BAD: 3, THIRD: 4, OTHER: 5}
_ROLES = {str(code): role for role, code in _CODES.items()}
LABEL = 6  # cells for the numbers of the y axis: a fixed width keeps the canvas where it is
_LETTERS = 5  # marks on a line at most

ChartRows = list[list[tuple[str, str]]]


class ChartAxes(msgspec.Struct, frozen=True):
    """The axes that a chart was drawn with. Passed to the next drawing, they stay where they still fit."""

    first: float = 0.0
    """The first step on the x axis."""
    last: float = 0.0
    """The last step on the x axis."""
    y: AxisLimits | None = None
    """The lowest and the highest value on the y axis; None where there is none to draw."""
    log: bool = False
    """Whether the y axis is logarithmic."""
    settled: bool = False
    """Whether the series was long enough for close limits."""


def import_plotext() -> None:
    """Import plotext (0.15 s, with numpy), so that a drawing costs milliseconds."""
    import plotext

    plotext.terminal.limit(False, False)  # else it cuts a figure to the size of the terminal


def whole_range(chart: RunChart, total: int, before: ChartAxes) -> tuple[float, float]:
    """The steps that the x axis shows where nobody has zoomed: from 0 to `total`; where that is not known, to a number
    that doubles as needed."""
    newest = max((int(line.steps[-1]) for line in chart.lines if len(line.steps)), default=0)
    if total >= max(1, newest):
        return 0.0, float(total)
    end = max(before.last if before.first == 0 else 0, 10)
    while end < newest:
        end *= 2
    return 0.0, float(end)


def draw_chart(
    chart: RunChart,
    shown: tuple[float, float],
    log: bool,
    before: ChartAxes,
    width: int,
    height: int,
    zoomed: bool = False,
) -> tuple[ChartRows, ChartAxes]:
    """The chart as `height` rows of `width` cells, and the axes it was drawn with. x runs over the steps `shown`; a
    mark at the top stands for each value that is not finite. zoomed: the y axis fits what is shown, else it moves
    rarely.

    On a logarithmic axis, values that are not above 0 are left out.
    """
    import plotext

    start, end = shown
    bins = 2 * canvas_width(width)  # a braille cell has two columns of dots
    drawn = [(line, _role(line), *_drawable(_points(line, start, end, bins), log)) for line in chart.lines]
    values = [y for _, _, _, ys in drawn for y in ys]
    if zoomed:
        fit = log_axis_limits if log else linear_axis_limits
        axes = ChartAxes(start, end, fit(min(values), max(values)) if values else None, log)
    else:
        seen = max((len(line.steps) for line in chart.lines), default=0)
        axes = _axes(values, shown, log, before, settled=seen > max(20, end // 4))
    figure = type(plotext.figure)(plotext.terminal)
    figure.plot_size(width, height)
    figure.theme("colorless").legend(False)
    figure.axes(False, side=1)
    lower, upper = axes.y or (0.0, 1.0)
    scale = math.log10 if log and axes.y else float
    for line, role, xs, ys in drawn:
        if not xs:
            continue
        scaled = [scale(y) for y in ys]
        if line.style != "points":
            marker = _marker(plotext, "braille", role)
            figure.draw(figure.signal(xs, scaled, marker=marker).lines(line.style == "smooth"))
        if line.letter:
            picks = range(len(xs)) if line.style == "points" else _spread(len(xs))
            marks = [xs[index] for index in picks], [scaled[index] for index in picks]
            figure.draw(figure.signal(*marks, marker=_marker(plotext, line.letter, role)).lines(False))
    if chart.gaps and chart.lines:
        line = chart.lines[0]
        gaps = not_finite_parts(line.steps, line.values, start, end, bins // 2)
        if gaps:
            marks = gaps, [scale(upper)] * len(gaps)
            figure.draw(figure.signal(*marks, marker=_marker(plotext, GAP, BAD)).lines(False))
    xticks = linear_ticks(start, end, max(2, width // 12))
    yticks = (log_ticks if log and axes.y else linear_ticks)(lower, upper, max(3, (height - 2) // 3))
    x, y = figure.ruler(0), figure.ruler(1)
    x.lim(start, end)
    y.lim(scale(lower), scale(upper))
    x.ticks(xticks, [tick_label(tick) for tick in xticks])
    y.ticks([scale(tick) for tick in yticks], [f"{tick_label(tick):>{LABEL}}" for tick in yticks])
    return [plot_row(line, _ROLES, AXIS) for line in figure.build().string().split("\n")[:height]], axes


def canvas_width(width: int) -> int:
    """Cells of a chart of `width` cells that hold points."""
    return max(1, width - LABEL - 1)


def column_of(step: float, shown: tuple[float, float], width: int) -> int | None:
    """The cell of a chart of `width` cells above `step`; None where it is not shown."""
    first, last = shown
    if not first <= step <= last or last <= first:
        return None
    return LABEL + 1 + round((step - first) / (last - first) * (canvas_width(width) - 1))


def _points(line: ChartLine, start: float, end: float, bins: int) -> tuple[list[float], list[float]]:
    if line.style == "raw":
        return decimate_min_max(line.steps, line.values, start, end, bins)
    if line.style == "points":
        pairs = [(x, y) for x, y in zip(line.steps, line.values, strict=True) if start <= x <= end]
        return [x for x, _ in pairs], [y for _, y in pairs]
    indices = last_of_parts(line.steps, start, end, bins)
    pairs = list(zip((float(line.steps[index]) for index in indices), smooth_at(line.values, indices), strict=True))
    return [x for x, y in pairs if math.isfinite(y)], [y for _, y in pairs if math.isfinite(y)]


def _role(line: ChartLine) -> str:
    if line.letter and line.letter in OTHER_LETTERS:
        return OTHER
    if line.letter in ("A", "E"):
        return THIRD
    return RAW if line.style == "raw" or line.letter == "P" else SMOOTH


def _spread(count: int) -> Sequence[int]:
    """A few positions of `count`, none at the very ends."""
    marks = min(_LETTERS, count)
    return [(2 * mark + 1) * count // (2 * marks) for mark in range(marks)]


def _drawable(points: tuple[list[float], list[float]], log: bool) -> tuple[list[float], list[float]]:
    if not log:
        return points
    pairs = [(x, y) for x, y in zip(*points, strict=True) if y > 0]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _axes(values: list[float], shown: tuple[float, float], log: bool, before: ChartAxes, settled: bool) -> ChartAxes:
    """The axes for the next drawing. A short series starts at zero (or a decade below its lowest value), so that it can
    fall without moving the axis. Once settled, it may change to closer limits, with space to fall as far again; from
    then on the limits only grow."""
    if not values:
        return ChartAxes(*shown, None, log)
    limits = log_axis_limits if log else linear_axis_limits
    low, high = min(values), max(values)
    old_limits = before.y if before.log == log else None
    if not settled:
        return ChartAxes(*shown, limits(low / 10 if log else min(low, 0.0), high, old_limits), log)
    if old_limits is not None and not before.settled and _filled(low, high, old_limits, log) < 1 / 4:
        close = limits(low * low / high if log else max(min(low, 0.0), 2 * low - high), high)
        return ChartAxes(*shown, close, log, True)
    return ChartAxes(*shown, limits(low, high, old_limits), log, True)


def _filled(low: float, high: float, limits: AxisLimits, log: bool) -> float:
    """The share of the axis, 0 to 1, that the values from `low` to `high` cover."""
    if log:
        return math.log(high / low) / math.log(limits[1] / limits[0])
    return (high - low) / (limits[1] - limits[0])


def _marker(plotext: Any, shape: str, role: str) -> Any:
    return plotext.marker(shape).fill(plotext.pixel(foreground=_CODES[role]))
