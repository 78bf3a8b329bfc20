"""The live chart of a run, drawn by plotext. A new point sends only the cells that it changes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message

from core.base.safe_text import safe_line
from core.runs.chart_series import smooth_at
from core.runs.events_file import JobEvent
from core.runs.run_charts import CHARTS, ChartLine, RunChart, run_chart
from core.runs.run_curves import RunCurves
from tui.actions import key_bindings
from tui.common import draw_chart
from tui.common.draw_chart import AXIS, BAD, EVENT, OTHER, RAW, SMOOTH, THIRD, ChartAxes, column_of
from tui.common.styled_cells import CellLines, CellRow, StyledText

TILES = 6
_SHORTEST = 5
_WITH_EVENTS = 8  # rows from which on the events have a row of their own
_CLOSEST = 10  # steps that the closest zoom shows
_ROLE_OF_LETTER = {"R": SMOOTH, "A": THIRD, "P": RAW, "E": THIRD}


class ChartCells(CellLines):
    """Cells of a chart, with their colours."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {AXIS, RAW, SMOOTH, BAD, THIRD, OTHER, EVENT}
    DEFAULT_CSS = """
    ChartCells > .chart--axis { color: $text-muted; }
    ChartCells > .chart--raw { color: $primary; text-style: dim; }
    ChartCells > .chart--smooth { color: $accent; }
    ChartCells > .chart--bad { color: $error; text-style: bold; }
    ChartCells > .chart--third { color: $success; }
    ChartCells > .chart--other { color: $warning; }
    ChartCells > .chart--event { color: $warning; text-style: bold; }
    """


class ChartTile(ChartCells):
    """A column of the chart. Textual sends a changed row from its widget's left edge on, so a chart in narrow columns
    sends little."""

    DEFAULT_CSS = """
    ChartTile { width: 1fr; height: 1fr; }
    """


class ChartLegend(ChartCells):
    """The line above the chart: what its lines are, or the values at the cursor. It may hold wide characters."""

    DEFAULT_CSS = """
    ChartLegend { height: 1; }
    """


class ChartWidget(Vertical, can_focus=True):
    """`show` the numbers of a run; the chart is drawn again when its size, scale or theme changes. Empty until plotext
    has been imported, in a thread. With the focus, keys move a cursor over the steps and zoom around it."""

    BINDINGS: ClassVar[list[BindingType]] = key_bindings("chart")
    DEFAULT_CSS = """
    ChartWidget { height: 1fr; }
    """

    class Left(Message):
        """The cursor was taken away: the focus may go back to where it was."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.kind = "loss"
        """The chart shown, a key of `CHARTS`."""
        self.logarithmic = False
        self.cursor: int | None = None
        """The step whose values the legend names; None without a cursor."""
        self.zoom: tuple[float, float] | None = None
        """The steps shown; None for the whole run."""
        self._curves = RunCurves()
        self._events: Sequence[JobEvent] = ()
        self._others: Mapping[str, RunCurves] = {}
        self._total = 0
        self._axes = ChartAxes()
        self._ready = False

    def compose(self) -> ComposeResult:
        yield ChartLegend()
        with Horizontal():
            for _ in range(TILES):
                yield ChartTile()

    async def on_mount(self) -> None:
        self.run_worker(self._prepare(), group="plotext")

    async def _prepare(self) -> None:
        await asyncio.to_thread(draw_chart.import_plotext)
        self._ready = True
        self._draw()

    def show(
        self,
        curves: RunCurves,
        total: int,
        events: Sequence[JobEvent] = (),
        others: Mapping[str, RunCurves] | None = None,
    ) -> None:
        """Draw `curves` over 0 to `total` steps; 0 where the total is not known yet. Another run gets new axes. others:
        runs laid over, by name."""
        if curves is not self._curves:
            self._axes, self.zoom, self.cursor = ChartAxes(), None, None
        self._curves, self._total, self._events, self._others = curves, total, events, others or {}
        self._draw()

    def toggle_log(self) -> bool:
        """Switch the y axis between linear and logarithmic. Returns whether it is logarithmic now."""
        self.logarithmic = not self.logarithmic
        self._draw()
        return self.logarithmic

    def next_kind(self) -> str:
        """Go on to the next chart that has something to show; returns its title."""
        kinds = list(CHARTS)
        for by in range(1, len(kinds) + 1):
            self.kind = kinds[(kinds.index(self.kind) + by) % len(kinds)]
            if self.kind == "loss" or self._has_numbers(self._chart()):
                break
        self._axes = ChartAxes()
        self._draw()
        return CHARTS[self.kind]

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._draw)  # the tiles have their new widths then

    # -- the cursor --

    def place_cursor(self) -> None:
        """Put the cursor on the newest step, where there is none yet."""
        if self.cursor is None:
            self.cursor = self._curves.last_step
        self._draw()

    def action_move_cursor(self, by: int) -> None:
        """Go `by` columns along; at the edge of what is shown, the chart moves."""
        first, last = self._shown()
        column = max(1, round((last - first) / max(1, draw_chart.canvas_width(self.content_size.width) - 1)))
        self.place_cursor()
        self._go_to((self.cursor or 0) + by * column)

    def action_end_cursor(self, by: int) -> None:
        self._go_to(0 if by < 0 else self._newest())

    def action_zoom(self, by: int) -> None:
        """Show half or twice as many steps around the cursor, else up to the newest."""
        first, last = self._shown()
        whole = self._whole()
        width = (last - first) / 2 if by > 0 else (last - first) * 2
        if width < _CLOSEST:
            return
        if width >= whole[1] - whole[0]:
            self.zoom = None
        else:
            middle = self._newest() if self.cursor is None else self.cursor
            start = min(max(whole[0], middle - width / 2), whole[1] - width)
            self.zoom = (start, start + width)
        self._draw()

    def action_whole(self) -> None:
        self.zoom = None
        self._draw()

    def action_leave_chart(self) -> None:
        self.cursor = self.zoom = None
        self._draw()
        self.post_message(self.Left())

    def _go_to(self, step: float) -> None:
        self.cursor = round(min(max(0, step), self._newest()))
        first, last = self._shown()
        if self.zoom is not None and not first <= self.cursor <= last:
            by = (self.cursor - last) if self.cursor > last else (self.cursor - first)
            self.zoom = (first + by, last + by)
        self._draw()

    def _newest(self) -> int:
        return self._curves.last_step

    # -- drawing --

    def _chart(self) -> RunChart:
        return run_chart(self.kind, self._curves, self._events, self._others)

    def _has_numbers(self, chart: RunChart) -> bool:
        import numpy as np

        return any(np.isfinite(np.asarray(line.values)).any() for line in chart.lines)

    def _whole(self) -> tuple[float, float]:
        return draw_chart.whole_range(self._chart(), self._total, self._axes)

    def _shown(self) -> tuple[float, float]:
        return self.zoom or self._whole()

    def _draw(self) -> None:
        width, height = self.content_size.width, self.content_size.height
        if not self._ready or width < 20 or height < _SHORTEST:
            return
        chart = self._chart()
        shown = self.zoom or draw_chart.whole_range(chart, self._total, self._axes)
        self.query_one(ChartLegend).show([self._legend(chart, width)])
        rows: list[CellRow] = []
        marks = self._marks(chart, shown, width) if height >= _WITH_EVENTS else None
        if marks is not None:
            rows.append(marks)
        if self._total or self._newest() or chart.lines:
            plot, axes = draw_chart.draw_chart(
                chart, shown, self.logarithmic, self._axes, width, height - 1 - len(rows), self.zoom is not None
            )
            rows += plot
            if self.zoom is None:
                self._axes = axes
        start = 0
        for tile in self.query(ChartTile):
            end = start + tile.size.width
            tile.show([_slice(row, start, end) for row in rows])
            start = end

    def _legend(self, chart: RunChart, width: int) -> CellRow:
        if self.cursor is not None:
            return _cut_row(self._at_cursor(chart), width)
        gaps = self._gaps(chart)
        title = CHARTS[self.kind]
        if not len(self._curves):
            return [("no loss logged yet", AXIS)]
        row: list[StyledText] = [(f"{title}: ", AXIS)]
        if not chart.lines:
            row.append(("not known for this run", AXIS))
        for line in chart.lines:
            row.append((_sign(line), _role_of(line)))
            row.append((f" {safe_line(line.name, 24)}  ", AXIS))
        if self.logarithmic:
            row.append(("log scale  ", AXIS))
        if self.zoom is not None:
            row.append((f"steps {self.zoom[0]:,.0f} to {self.zoom[1]:,.0f}  ", AXIS))
        if gaps:
            row.append((f"{draw_chart.GAP} {gaps} not finite", BAD))
        return _cut_row(row, width)

    def _gaps(self, chart: RunChart) -> int:
        if not chart.gaps or not chart.lines or not len(self._curves):
            return 0
        import numpy as np

        values = self._curves.values("loss")
        return int(len(values) - np.isfinite(values).sum())

    def _at_cursor(self, chart: RunChart) -> list[StyledText]:
        """The values at the cursor's step, and what happened there."""
        assert self.cursor is not None  # noqa: S101 - asked by the caller
        row: list[StyledText] = [(f"step {self.cursor:,}  ", EVENT)]
        here = [event for event in chart.events if self._is_near(event.step)]
        row += [(f"{event.letter} {safe_line(event.words, 40)}  ", EVENT) for event in here[-2:]]
        for line in chart.lines:
            index = _index_at(line, self.cursor)
            if index is None:
                continue
            value = smooth_at(line.values, [index])[0] if line.style == "smooth" else float(line.values[index])
            number = f"{value:.4g}" if math.isfinite(value) else "not finite"
            row.append((f"{safe_line(line.name, 16)} ", AXIS))
            row.append((f"{number}  ", _role_of(line) if math.isfinite(value) else BAD))
        return row

    def _is_near(self, step: int) -> bool:
        width, shown = self.content_size.width, self._shown()
        return column_of(step, shown, width) == column_of(self.cursor or 0, shown, width)

    def _marks(self, chart: RunChart, shown: tuple[float, float], width: int) -> CellRow | None:
        """A row with the letters of the events above their steps, and the cursor; None where it would be empty."""
        cells = [" "] * width
        for event in chart.events:
            column = column_of(event.step, shown, width)
            if column is not None:
                cells[column] = event.letter
        if self.cursor is not None and (column := column_of(self.cursor, shown, width)) is not None:
            cells[column] = "▼"
        text = "".join(cells)
        return [(text, EVENT)] if text.strip() else None


def _index_at(line: ChartLine, step: int) -> int | None:
    """The index of the value at `step`, or the newest before it; None before the first."""
    import numpy as np

    index = int(np.searchsorted(np.asarray(line.steps), step, "right")) - 1
    return index if index >= 0 else None


def _sign(line: ChartLine) -> str:
    if line.style == "points":
        return line.letter
    return f"⠒{line.letter}⠒" if line.letter else ("⠂⠄⠂" if line.style == "raw" else "⠒⠒⠒")


def _role_of(line: ChartLine) -> str:
    if line.letter:
        return _ROLE_OF_LETTER.get(line.letter, OTHER)
    return RAW if line.style == "raw" else SMOOTH


def _cut_row(row: Sequence[StyledText], width: int) -> list[StyledText]:
    """The row without what is beyond `width` cells."""
    cut: list[StyledText] = []
    left = width
    for text, role in row:
        if left <= 0:
            break
        size = cell_len(text)
        cut.append((text if size <= left else set_cell_size(text, left), role))
        left -= size
    return cut


def _slice(row: CellRow, start: int, end: int) -> CellRow:
    """The cells from `start` to `end` of a row whose characters are all one cell wide."""
    pieces = []
    offset = 0
    for text, role in row:
        if cut := text[max(0, start - offset) : max(0, end - offset)]:
            pieces.append((cut, role))
        offset += len(text)
    return pieces
