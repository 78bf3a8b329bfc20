"""The chart alone: what it shows, and how little a new point sends."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from core.runs.curve_file import Curve
from core.runs.events_file import JobEvent
from core.runs.metrics_file import StepMetric
from core.runs.run_charts import run_chart
from core.runs.run_curves import RunCurves, curves_of
from tests.support.rooms import until
from tui.common import draw_chart
from tui.common.chart_widget import ChartWidget
from tui.common.draw_chart import BAD, RAW, SMOOTH, ChartAxes
from tui.common.styled_cells import CellLines


class ChartApp(App[None]):
    """The chart alone, and the bytes of every update of the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[int] = []

    def compose(self) -> ComposeResult:
        yield ChartWidget()

    def _display(self, screen: Any, renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            self.sent.append(len(renderable.render_segments(self.console).encode()))
        super()._display(screen, renderable)


def shown(app: App[None]) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def point(step: int, loss: float | None, **others: float) -> StepMetric:
    return StepMetric(step, float(step), loss, 1e-4, **others)


def falling(count: int) -> RunCurves:
    rng = random.Random(3442)
    return curves_of(
        point(step, 1.8 * math.exp(-step / 40) + 0.05 + abs(rng.gauss(0, 0.06))) for step in range(1, count + 1)
    )


def drawn(
    curves: RunCurves, total: int, log: bool, before: ChartAxes, width: int, height: int
) -> tuple[draw_chart.ChartRows, ChartAxes]:
    chart = run_chart("loss", curves)
    return draw_chart.draw_chart(chart, draw_chart.whole_range(chart, total, before), log, before, width, height)


async def ready(pilot: Pilot[None]) -> ChartWidget:
    chart = pilot.app.query_one(ChartWidget)
    await until(pilot, lambda: chart._ready)
    return chart


async def test_a_new_point_sends_less_than_2_kb() -> None:
    app = ChartApp()
    async with app.run_test(size=(120, 40)) as pilot:
        chart = await ready(pilot)
        whole = falling(300)
        series = RunCurves()
        chart.show(series, 300)  # the axes
        await pilot.pause()
        sizes = []
        for step, value in zip(whole.steps.tolist(), whole.values("loss").tolist(), strict=True):
            series.add(point(step, value))
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
        series.add(point(101, None))
        series.add(point(102, math.inf))
        chart.show(series, 300)
        await until(pilot, lambda: "2 not finite" in shown(app))
        assert "×" in shown(app).split("\n")[1]
        assert "log" not in shown(app)
        assert chart.toggle_log()
        await until(pilot, lambda: "log scale" in shown(app) and " 0.2┤" in shown(app))
        assert not chart.toggle_log()
        await until(pilot, lambda: "log" not in shown(app))


def roles(rows: draw_chart.ChartRows) -> set[str]:
    return {role for row in rows for text, role in row if text.strip()}


def test_series_are_told_apart_and_every_row_has_its_width() -> None:
    draw_chart.import_plotext()
    series = falling(100)
    series.add(point(101, None))
    rows, axes = drawn(series, 300, False, ChartAxes(), 80, 20)
    assert len(rows) == 20
    assert {sum(len(text) for text, _ in row) for row in rows} == {80}
    assert {RAW, SMOOTH, BAD} < roles(rows)
    assert (axes.last, axes.y) == (300, (0.0, 2.0))


def test_losses_that_are_never_finite_have_no_axis_to_bend() -> None:
    draw_chart.import_plotext()
    series = RunCurves()
    for step in range(1, 10):
        series.add(point(step, math.nan))
    rows, axes = drawn(series, 0, True, ChartAxes(), 60, 10)
    assert axes.y is None
    assert BAD in roles(rows)


def test_a_run_of_unknown_length_gets_more_room_when_it_needs_it() -> None:
    draw_chart.import_plotext()
    axes = ChartAxes()
    for count, total in ((3, 10), (11, 20), (50, 80)):
        _, axes = drawn(falling(count), 0, False, axes, 60, 10)
        assert axes.last == total


def test_a_hundred_thousand_points_are_drawn_from_few() -> None:
    """Thinned before plotext sees them: 500 times the points may not cost 50 times the time."""
    draw_chart.import_plotext()
    series = RunCurves()
    for step in range(1, 100_001):
        series.add(point(step, 2.0 / step**0.2))

    def seconds(of: RunCurves, total: int) -> float:
        best = math.inf
        for _ in range(5):
            begin = time.perf_counter()
            drawn(of, total, False, ChartAxes(), 100, 30)
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


async def test_charts_are_gone_through_and_read_with_a_cursor() -> None:
    app = ChartApp()
    async with app.run_test(size=(80, 12)) as pilot:
        chart = await ready(pilot)
        curves = curves_of(
            point(step, 2.0 / step, grad_norm=0.5, loss_reasoning=1.0 / step, loss_response=3.0 / step)
            for step in range(1, 101)
        )
        marks = [
            JobEvent("evaluated", step=50, facts={"loss": 0.9}),
            JobEvent("obeyed", step=60, words="learning rate times 0.5", facts={"asked": "rate"}),
        ]
        chart.show(curves, 100, marks, {"長い推論": falling(80)})
        await until(pilot, lambda: "E evaluation" in shown(app) and "↕" in shown(app) and "長い推論" in shown(app))
        assert {cell_len(line) for line in shown(app).split("\n")} == {80}
        chart.focus()
        await pilot.press("end", *["left"] * 30)
        await until(pilot, lambda: "step 70" in shown(app) and "▼" in shown(app))
        chart._go_to(60)
        await until(pilot, lambda: "step 60" in shown(app) and "↕ learning rate times 0.5" in shown(app))
        assert "0.03333" in shown(app)
        await pilot.press("plus", "plus")
        await until(pilot, lambda: chart.zoom == (47.5, 72.5))
        await pilot.press("home")
        assert chart.cursor == 0 and chart.zoom == (0, 25)
        await pilot.press("0", "escape")
        assert chart.zoom is None and chart.cursor is None
        assert chart.next_kind() == "loss by section"
        await until(pilot, lambda: "⠒R⠒ reasoning" in shown(app) and "⠒A⠒ response" in shown(app))
        assert "R" in shown(app).split("\n", 3)[3]  # on the line itself: without colour it is known
        assert [chart.next_kind() for _ in range(3)] == ["learning rate", "gradient norm", "loss"]


async def test_a_million_steps_are_drawn_from_few_and_zoomed_into() -> None:
    app = ChartApp()
    async with app.run_test(size=(120, 30)) as pilot:
        chart, curves = await ready(pilot), RunCurves()
        steps = np.arange(1, 1_000_001)
        values = {"loss": 2.0 / steps**0.2}
        values["loss"][500_000] = 9.0
        curves.load(Curve(steps, steps.astype(float), values))
        chart.show(curves, 1_000_000)
        await until(
            pilot, lambda: "moving average" in shown(app) and "10┤" in shown(app)
        )  # the peak of one step is seen
        chart.cursor = 500_001
        for _ in range(14):
            chart.action_zoom(1)
        assert chart.zoom is not None and chart.zoom[1] - chart.zoom[0] == pytest.approx(1_000_000 / 2**14)
        await until(pilot, lambda: "each step 9 " in shown(app))
