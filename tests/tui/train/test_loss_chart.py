"""The chart alone: what it shows, and how little a new point sends."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import pytest
from rich.cells import cell_len
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from core.runs.chart_series import StepSeries
from tests.support.rooms import until
from tui.common import draw_loss_chart
from tui.common.draw_loss_chart import BAD, RAW, SMOOTH, ChartAxes
from tui.common.styled_cells import CellLines
from tui.train.loss_chart_widget import LossChart


class ChartApp(App[None]):
    """The chart alone, and the bytes of every update of the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[int] = []

    def compose(self) -> ComposeResult:
        yield LossChart()

    def _display(self, screen: Any, renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            self.sent.append(len(renderable.render_segments(self.console).encode()))
        super()._display(screen, renderable)


def shown(app: App[None]) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def falling(count: int) -> StepSeries:
    series, rng = StepSeries(), random.Random(3442)
    for step in range(1, count + 1):
        series.add(step, 1.8 * math.exp(-step / 40) + 0.05 + abs(rng.gauss(0, 0.06)))
    return series


async def ready(pilot: Pilot[None]) -> LossChart:
    chart = pilot.app.query_one(LossChart)
    await until(pilot, lambda: chart._ready)
    return chart


async def test_a_new_point_sends_less_than_2_kb() -> None:
    app = ChartApp()
    async with app.run_test(size=(120, 40)) as pilot:
        chart = await ready(pilot)
        whole = falling(300)
        series = StepSeries()
        chart.show(series, 300)  # the axes
        await pilot.pause()
        sizes = []
        for step, value in zip(whole.steps, whole.values, strict=True):
            series.add(step, value)
            app.sent.clear()
            chart.show(series, 300)
            await pilot.pause(0)
            sizes.append(sum(app.sent))
        assert sum(size > 0 for size in sizes) > 200  # it was drawn, again and again
        assert max(sizes) < 2048
        assert sorted(sizes)[150] < 400


async def test_showing_the_same_again_sends_nothing() -> None:
    app = ChartApp()
    async with app.run_test(size=(120, 40)) as pilot:
        chart, series = await ready(pilot), falling(50)
        chart.show(series, 300)
        await pilot.pause(0)
        app.sent.clear()
        chart.show(series, 300)
        await pilot.pause(0)
        assert sum(app.sent) == 0


@pytest.mark.parametrize("size", [(80, 9), (120, 40), (40, 6), (10, 3)])
async def test_it_fits_its_room_and_follows_its_size(size: tuple[int, int]) -> None:
    app = ChartApp()
    async with app.run_test(size=size) as pilot:
        chart = await ready(pilot)
        chart.show(falling(120), 300)
        for columns, lines in (size, (100, 20), size):
            await pilot.resize_terminal(columns, lines)
            await pilot.pause()
            assert {len(line) for line in shown(app).split("\n")} == {columns}
            if columns > 20:
                await until(pilot, lambda columns=columns: "300" in shown(app).split("\n")[-1][columns - 6 :])


async def test_the_logarithmic_axis_and_gaps() -> None:
    app = ChartApp()
    async with app.run_test(size=(120, 30)) as pilot:
        chart, series = await ready(pilot), falling(100)
        series.add(101, None)
        series.add(102, math.inf)
        chart.show(series, 300)
        await until(pilot, lambda: "2 not finite" in shown(app))
        assert "×" in shown(app).split("\n")[1]
        assert "log" not in shown(app)
        assert chart.toggle_log()
        await until(pilot, lambda: "log scale" in shown(app) and " 0.2┤" in shown(app))
        assert not chart.toggle_log()
        await until(pilot, lambda: "log" not in shown(app))


def roles(rows: draw_loss_chart.ChartRows) -> set[str]:
    return {role for row in rows for text, role in row if text.strip()}


def test_series_are_told_apart_and_every_row_has_its_width() -> None:
    draw_loss_chart.import_plotext()
    series = falling(100)
    series.add(101, None)
    rows, axes = draw_loss_chart.draw_loss_chart(series, 300, False, ChartAxes(), 80, 20)
    assert len(rows) == 20
    assert {sum(len(text) for text, _ in row) for row in rows} == {80}
    assert {RAW, SMOOTH, BAD} < roles(rows)
    assert (axes.total, axes.y) == (300, (0.0, 2.0))


def test_losses_that_are_never_finite_have_no_axis_to_bend() -> None:
    draw_loss_chart.import_plotext()
    series = StepSeries()
    for step in range(1, 10):
        series.add(step, math.nan)
    rows, axes = draw_loss_chart.draw_loss_chart(series, 0, True, ChartAxes(), 60, 10)
    assert axes.y is None
    assert BAD in roles(rows)


def test_a_run_of_unknown_length_gets_more_room_when_it_needs_it() -> None:
    draw_loss_chart.import_plotext()
    axes = ChartAxes()
    for count, total in ((3, 10), (11, 20), (50, 80)):
        _, axes = draw_loss_chart.draw_loss_chart(falling(count), 0, False, axes, 60, 10)
        assert axes.total == total


def test_a_hundred_thousand_points_are_drawn_from_few() -> None:
    """Thinned before plotext sees them: 500 times the points may not cost 50 times the time."""
    draw_loss_chart.import_plotext()
    series = StepSeries()
    for step in range(1, 100_001):
        series.add(step, 2.0 / step**0.2)

    def seconds(of: StepSeries, total: int) -> float:
        best = math.inf
        for _ in range(5):
            begin = time.perf_counter()
            draw_loss_chart.draw_loss_chart(of, total, False, ChartAxes(), 100, 30)
            best = min(best, time.perf_counter() - begin)
        return best

    assert seconds(series, 100_000) < 50 * seconds(falling(200), 200)


class CellsApp(ChartApp):
    def compose(self) -> ComposeResult:
        yield CellLines()


async def test_only_changed_cells_are_sent_and_no_wide_character_is_cut() -> None:
    app = CellsApp()
    async with app.run_test(size=(20, 3)) as pilot:
        cells = app.query_one(CellLines)
        for text in ("損失 0.5", "損失 0.7", "損益 0.7", "a損 0.7", "x", "👩‍🔬 é か\u3099", ""):
            cells.show([[(text, "")], [(text * 9, "")]])
            await pilot.pause(0)
            assert shown(app).split("\n")[0].rstrip() == text
            assert {cell_len(line) for line in shown(app).split("\n")} == {20}
        cells.show([[("損失 0.5", "")]])
        await pilot.pause(0)
        app.sent.clear()
        cells.show([[("損失 0.6", "")]])
        await pilot.pause(0)
        assert 0 < sum(app.sent) < 100
