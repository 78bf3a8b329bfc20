"""A histogram of how many rows have which length, with a line at the maximum length.

Drawn by plotext, shown by Suiron's own cells.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import events

from core.quality.report import LengthDistribution
from core.runs.chart_series import linear_ticks, tick_label
from tui.common import draw_chart
from tui.common.plot_cells import plot_row
from tui.common.styled_cells import CellLines, CellRow

AXIS, BARS, LIMIT = "histogram--axis", "histogram--bars", "histogram--limit"
_CODES = {BARS: 1, LIMIT: 2}
_ROLES = {str(code): role for role, code in _CODES.items()}
_LABEL = 7  # cells for the numbers of the y axis, and the axis
NEARLY_ALL = 0.995  # share of the rows that the bars are for
_TAIL = 1.5  # a longest row that exceeds nearly all others by more than this factor puts the tail into one last bar


def draw_histogram(lengths: LengthDistribution, width: int, height: int, limit: int = 0) -> list[CellRow]:
    """`height` rows of `width` cells. Where a few rows are much longer than the rest, the last bar holds them all, and
    its label ends in `+`.

    lengths: of rows, in tokens or characters; limit: rows longer than this are right of a line, 0 for no line. plotext
    is imported on first use (0.15 s: call `draw_chart.import_plotext` in a thread before).
    """
    import plotext

    dots, lines = 2 * max(1, width - _LABEL), max(1, height - 2)  # a braille cell has two columns of dots
    upto = lengths.length_keeping(NEARLY_ALL)
    if lengths.max <= _TAIL * upto:
        upto = lengths.max
    bins = lengths.bins(dots, upto)
    if not bins:
        return []
    size = bins[0].high + 1 if len(bins) > 1 else upto + 1
    end = size * len(bins)
    counts = [bins[dot * len(bins) // dots].count for dot in range(dots)]
    top = max(max(counts), 1)
    cell = end / dots
    least = top / lines / 4  # one dot: a single long row must not vanish beside thousands
    points = [((dot + 0.5) * cell, max(count - least / 2, least / 2)) for dot, count in enumerate(counts) if count]
    figure = type(plotext.figure)(plotext.terminal)
    figure.plot_size(width, height)
    figure.theme("colorless").legend(False)
    figure.axes(False, side=1)
    bars = plotext.marker("braille").fill(plotext.pixel(foreground=_CODES[BARS]))
    figure.draw(figure.signal([x for x, _ in points], [y for _, y in points], marker=bars).lines(False).fillx(True))
    half = top / lines / 2  # plotext puts its limits in the middle of the outermost cells; ours are their edges
    if limit and limit + 1 < end:
        line = plotext.marker("│").fill(plotext.pixel(foreground=_CODES[LIMIT]))
        figure.draw(
            figure.signal([limit + 1] * lines, [half + 2 * half * y for y in range(lines)], marker=line).lines(False)
        )
    xticks = [tick for tick in linear_ticks(0, end, max(2, width // 14)) if tick <= end - size]
    if upto < lengths.max:
        xticks = [tick for tick in xticks if tick < end * 0.9]
    labels = [tick_label(tick) for tick in xticks]
    if upto < lengths.max:
        xticks, labels = [*xticks, end - cell], [*labels, f"{tick_label(upto)}+"]
    yticks = {half: "0", top - half: tick_label(top)} if lines > 1 else {half: "0"}
    if top % 2 == 0 and lines > 4:
        yticks[top / 2] = tick_label(top / 2)
    x, y = figure.ruler(0), figure.ruler(1)
    x.lim(cell, end - cell)
    y.lim(half, top - half if lines > 1 else top)
    x.ticks([max(tick, cell) for tick in xticks], labels)
    y.ticks(sorted(yticks), [f"{yticks[tick]:>{_LABEL - 1}}" for tick in sorted(yticks)])
    return [plot_row(text, _ROLES, AXIS) for text in figure.build().string().split("\n")[:height]]


class Histogram(CellLines):
    """Draws the last lengths, again at every change of size. Empty until plotext is imported, in a
    thread."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {AXIS, BARS, LIMIT}
    DEFAULT_CSS = """
    Histogram { width: 1fr; height: 1fr; }
    Histogram > .histogram--axis { color: $chart-axis; }
    Histogram > .histogram--bars { color: $chart-line; }
    Histogram > .histogram--limit { color: $chart-second; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lengths: LengthDistribution | None = None
        self._limit = 0
        self._ready = False

    def on_mount(self) -> None:
        self.run_worker(self._prepare(), group="plotext")

    async def _prepare(self) -> None:
        await asyncio.to_thread(draw_chart.import_plotext)
        self._ready = True
        self._draw()

    def show_lengths(self, lengths: LengthDistribution, limit: int = 0) -> None:
        """limit: rows longer than this are right of a line; 0 for no line."""
        self._lengths, self._limit = lengths, limit
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        width, height = self.content_size.width, self.content_size.height
        if self._ready and self._lengths is not None and width >= 20 and height >= 4:
            self.show(draw_histogram(self._lengths, width, height, self._limit))
        else:
            self.show([])
