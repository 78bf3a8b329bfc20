"""Draws a series with plotext into rows of text with roles.

Only this module imports plotext, on first use. That pulls in numpy and costs 0.15 s: call `import_plotext` in a thread
before the first `draw_loss_chart`. Everything else is pure.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from core.runs.chart_series import (
    AxisLimits,
    StepSeries,
    decimate_last,
    decimate_min_max,
    linear_axis_limits,
    linear_ticks,
    log_axis_limits,
    log_ticks,
    tick_label,
)
from tui.common.plot_cells import plot_row

AXIS, RAW, SMOOTH, BAD = "loss-chart--axis", "loss-chart--raw", "loss-chart--smooth", "loss-chart--bad"
GAP = "×"
# plotext gives each cell one of the terminal's sixteen colours; here a colour only identifies the role of the cell.
_CODES = {RAW: 1, SMOOTH: 2, BAD: 3}
_ROLES = {str(code): role for role, code in _CODES.items()}
_LABEL = 6  # cells for the numbers of the y axis: a fixed width keeps the canvas where it is

ChartRows = list[list[tuple[str, str]]]


class ChartAxes(msgspec.Struct, frozen=True):
    """The axes that a chart was drawn with. Passed to the next drawing, they stay where they still fit."""

    total: int = 0
    """The last step on the x axis."""
    y: AxisLimits | None = None
    """The lowest and the highest loss on the y axis; None where there is none to draw."""
    log: bool = False
    """Whether the y axis is logarithmic."""
    settled: bool = False
    """Whether the series was long enough for close limits."""


def import_plotext() -> None:
    """Import plotext (0.15 s, with numpy), so that a drawing costs milliseconds."""
    import plotext

    plotext.terminal.limit(False, False)  # else it cuts a figure to the size of the terminal


def draw_loss_chart(
    series: StepSeries, total: int, log: bool, before: ChartAxes, width: int, height: int
) -> tuple[ChartRows, ChartAxes]:
    """The chart as `height` rows of `width` cells: raw points, their moving average as a line, and a mark at the top
    for each gap; and the axes it was drawn with. x runs from 0 to `total` steps; where that is not known, it doubles as
    needed.

    On a logarithmic axis, values that are not above 0 are left out.
    """
    import plotext

    end = _end(series, total, before)
    bins = 2 * max(1, width - _LABEL - 1)  # a braille cell has two columns of dots
    points = {
        RAW: _drawable(decimate_min_max(series.steps, series.values, 0, end, bins), log),
        SMOOTH: _drawable(decimate_last(series.steps, series.smooth, 0, end, bins), log),
    }
    axes = _axes(points[RAW][1], end, log, before, settled=len(series.steps) > max(20, end // 4))
    figure = type(plotext.figure)(plotext.terminal)
    figure.plot_size(width, height)
    figure.theme("colorless").legend(False)
    figure.axes(False, side=1)
    lower, upper = axes.y or (0.0, 1.0)
    scale = math.log10 if log and axes.y else float
    for role, (xs, ys) in points.items():
        if xs:
            figure.draw(
                figure.signal(xs, [scale(y) for y in ys], marker=_marker(plotext, "braille", role)).lines(
                    role == SMOOTH
                )
            )
    if series.gaps:
        xs, _ = decimate_last(series.gaps, series.gaps, 0, end, bins // 2)
        figure.draw(figure.signal(xs, [scale(upper)] * len(xs), marker=_marker(plotext, GAP, BAD)).lines(False))
    xticks = linear_ticks(0, end, max(2, width // 12))
    yticks = (log_ticks if log and axes.y else linear_ticks)(lower, upper, max(3, (height - 2) // 3))
    x, y = figure.ruler(0), figure.ruler(1)
    x.lim(0, end)
    y.lim(scale(lower), scale(upper))
    x.ticks(xticks, [tick_label(tick) for tick in xticks])
    y.ticks([scale(tick) for tick in yticks], [f"{tick_label(tick):>{_LABEL}}" for tick in yticks])
    return [plot_row(line, _ROLES, AXIS) for line in figure.build().string().split("\n")[:height]], axes


def _end(series: StepSeries, total: int, before: ChartAxes) -> int:
    if total >= max(1, series.last_step):
        return total
    end = max(before.total, 10)
    while end < series.last_step:
        end *= 2
    return end


def _drawable(points: tuple[list[float], list[float]], log: bool) -> tuple[list[float], list[float]]:
    if not log:
        return points
    pairs = [(x, y) for x, y in zip(*points, strict=True) if y > 0]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _axes(values: list[float], end: int, log: bool, before: ChartAxes, settled: bool) -> ChartAxes:
    """The axes for the next drawing. A short series starts at zero (or a decade below its lowest value), so that it can
    fall without moving the axis. Once settled, it may change to closer limits, with space to fall as far again; from
    then on the limits only grow."""
    if not values:
        return ChartAxes(end, None, log)
    limits = log_axis_limits if log else linear_axis_limits
    low, high = min(values), max(values)
    old_limits = before.y if before.log == log else None
    if not settled:
        return ChartAxes(end, limits(low / 10 if log else min(low, 0.0), high, old_limits), log)
    if old_limits is not None and not before.settled and _filled(low, high, old_limits, log) < 1 / 4:
        return ChartAxes(end, limits(low * low / high if log else max(min(low, 0.0), 2 * low - high), high), log, True)
    return ChartAxes(end, limits(low, high, old_limits), log, True)


def _filled(low: float, high: float, limits: AxisLimits, log: bool) -> float:
    """The share of the axis, 0 to 1, that the values from `low` to `high` cover."""
    if log:
        return math.log(high / low) / math.log(limits[1] / limits[0])
    return (high - low) / (limits[1] - limits[0])


def _marker(plotext: Any, shape: str, role: str) -> Any:
    return plotext.marker(shape).fill(plotext.pixel(foreground=_CODES[role]))
