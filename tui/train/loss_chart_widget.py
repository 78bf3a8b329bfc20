"""The live chart of the loss, drawn by plotext. A new point sends only the cells that it changes."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal

from core.runs.chart_series import StepSeries
from tui.common import draw_loss_chart
from tui.common.draw_loss_chart import AXIS, BAD, RAW, SMOOTH, ChartAxes
from tui.common.styled_cells import CellLines, CellRow

TILES = 6
_SHORTEST = 5


class ChartTile(CellLines):
    """A column of the chart. Textual sends a changed row from its widget's left edge on, so a chart in narrow columns
    sends little."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {AXIS, RAW, SMOOTH, BAD}
    DEFAULT_CSS = """
    ChartTile { width: 1fr; height: 1fr; }
    ChartTile > .loss-chart--axis { color: $text-muted; }
    ChartTile > .loss-chart--raw { color: $primary; text-style: dim; }
    ChartTile > .loss-chart--smooth { color: $accent; }
    ChartTile > .loss-chart--bad { color: $error; text-style: bold; }
    """


class LossChart(Horizontal):
    """`show` a series; the chart is drawn again when its size, scale or theme changes. Empty until plotext has been
    imported, in a thread."""

    DEFAULT_CSS = """
    LossChart { height: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.logarithmic = False
        self._series = StepSeries()
        self._total = 0
        self._axes = ChartAxes()
        self._ready = False

    def compose(self) -> ComposeResult:
        for _ in range(TILES):
            yield ChartTile()

    async def on_mount(self) -> None:
        self.run_worker(self._prepare(), group="plotext")

    async def _prepare(self) -> None:
        await asyncio.to_thread(draw_loss_chart.import_plotext)
        self._ready = True
        self._draw()

    def show(self, series: StepSeries, total: int) -> None:
        """Draw `series` over 0 to `total` steps; 0 where the total is not known yet. A new series gets new
        axes."""
        if series is not self._series:
            self._axes = ChartAxes()
        self._series, self._total = series, total
        self._draw()

    def toggle_log(self) -> bool:
        """Switch the y axis between linear and logarithmic. Returns whether it is logarithmic now."""
        self.logarithmic = not self.logarithmic
        self._draw()
        return self.logarithmic

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._draw)  # the tiles have their new widths then

    def _draw(self) -> None:
        width, height = self.content_size.width, self.content_size.height
        if not self._ready or width < 20 or height < _SHORTEST:
            return
        rows: list[CellRow] = [self._legend()]
        if self._total or self._series.last_step:
            plot, self._axes = draw_loss_chart.draw_loss_chart(
                self._series, self._total, self.logarithmic, self._axes, width, height - 1
            )
            rows += plot
        start = 0
        for tile in self.query(ChartTile):
            end = start + tile.size.width
            tile.show([_slice(row, start, end) for row in rows])
            start = end

    def _legend(self) -> CellRow:
        gaps = len(self._series.gaps)
        if not self._series.steps and not gaps:
            return [("no loss logged yet", AXIS)]
        row = [("loss: ", AXIS), ("⠂⠄⠂ ", RAW), ("each step  ", AXIS), ("⠒⠒⠒ ", SMOOTH), ("moving average", AXIS)]
        if self.logarithmic:
            row.append(("  log scale", AXIS))
        if gaps:
            row.append((f"  {draw_loss_chart.GAP} {gaps} not finite", BAD))
        return row


def _slice(row: CellRow, start: int, end: int) -> CellRow:
    """The cells from `start` to `end` of a row whose characters are all one cell wide."""
    pieces = []
    offset = 0
    for text, role in row:
        if cut := text[max(0, start - offset) : max(0, end - offset)]:
            pieces.append((cut, role))
        offset += len(text)
    return pieces
