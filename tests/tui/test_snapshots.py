"""A handful of pictures of the whole app: what no assertion about a part would notice. `pytest --snapshot-update` draws
them again."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from core.base import files, folders
from core.runs.metrics_file import StepMetric
from core.runs.notes import change_notes
from core.runs.run_folder import RunFolder
from core.runs.spec import DataSection, ModelSection, RunSpec, dump_run_spec
from core.runs.status_file import RunStatus
from tests.support.rooms import until
from tests.support.scripted_engine import ScriptedEngine, finish, reasoning, response
from tests.support.tiny_tokenizer import make_tokenizer_folder
from tui.app import SuironApp
from tui.chat.finish_line import FinishLine
from tui.common.chart_widget import ChartWidget
from tui.data.widgets.row_pane import RowPane
from tui.data.widgets.rows_table import RowsTable
from tui.dialogs.help_dialog import HelpDialog

Compare = Callable[..., bool]
WIDE, NARROW = (120, 40), (80, 24)


async def still(pilot: Pilot[None]) -> None:
    """Wait until the screen stays as it is."""
    before = ""
    while (now := pilot.app.export_screenshot()) != before:
        before = now
        await pilot.pause(0.2)


def opened(app: SuironApp) -> Callable[[Pilot[None]], Awaitable[None]]:
    async def wait(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.dataset is not None and app.screen.query_one(RowsTable).row_at(0) is not None)
        await still(pilot)  # before the table has its size, the cursor would scroll it
        await pilot.press("down", "down")
        await until(pilot, lambda: app.screen.query_one(RowsTable).cursor == 2)
        await until(pilot, lambda: "English 442" in str(app.screen.query_one("#status", Static).visual))
        pane = app.screen.query_one(RowPane)
        await until(pilot, lambda: not pane.display or "火曜日" in pane.content)
        await still(pilot)

    return wait


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_data(snap_compare: Compare, size: tuple[int, int]) -> None:
    app = SuironApp(data="demo", model="demo")
    assert snap_compare(app, terminal_size=size, run_before=opened(app))


def test_help(snap_compare: Compare) -> None:
    app = SuironApp(data="demo", model="demo")

    async def ask(pilot: Pilot[None]) -> None:
        await opened(app)(pilot)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))
        await still(pilot)

    assert snap_compare(app, terminal_size=NARROW, run_before=ask)


@pytest.fixture
def finished_run() -> RunFolder:
    """A run of 60 steps whose loss falls from 2 to 0.3, with nothing in it that differs from one test to the next."""
    folder = folders.runs() / "20260101-090000-demo-abcd"
    folder.mkdir(mode=0o700)
    run = RunFolder(folder)
    for step in range(1, 61):
        loss = 0.3 + 1.7 * 0.94**step + (0.08 if step % 3 else -0.06)
        rate = 2e-3 * (1 - step / 61)
        run.append_metric(
            StepMetric(step=step, time=step, loss=loss, learning_rate=rate, tokens_per_second=220.0, memory=2.4)
        )
    facts = {"rows_trained": 504, "rows_vanilla": 67, "rows_reasoning": 437, "tokens_per_epoch": 69_381}
    backend = "Transformers + PEFT on the CPU (2 cores, bfloat16): no CUDA device is visible"
    run.write_status(
        RunStatus(
            "finished",
            60,
            60,
            1,
            socket.gethostname(),
            time.time(),
            message="finished after 60 steps",
            backend=backend,
            facts=facts,
        )
    )
    run.console.write_text("{'loss': '0.31', 'epoch': '0.47'}\n")
    files.replace_file(
        folder / "run.toml",
        dump_run_spec(RunSpec(name="demo", data=DataSection(source="demo"), model=ModelSection(name="demo"))),
    )
    return run


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_train(snap_compare: Compare, finished_run: RunFolder, size: tuple[int, int]) -> None:
    app = SuironApp(data="demo", model="demo")

    async def look(pilot: Pilot[None]) -> None:
        await opened(app)(pilot)
        await pilot.press("f3")
        await until(pilot, lambda: app.session.screen == "train" and bool(app.screen.query(ChartWidget)))
        await until(pilot, lambda: "⠒" in _shown(app.screen.query_one(ChartWidget)))
        await still(pilot)

    assert snap_compare(app, terminal_size=size, run_before=look)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_runs(snap_compare: Compare, finished_run: RunFolder, size: tuple[int, int]) -> None:
    change_notes(finished_run.path, name="長い推論", verdict="good", note="富士山 の質問は安定している")
    app = SuironApp(data="demo", model="demo")

    async def look(pilot: Pilot[None]) -> None:
        await opened(app)(pilot)
        await pilot.press("ctrl+l")
        await until(pilot, lambda: app.session.screen == "runs" and bool(app.screen.query("#details")))
        await until(pilot, lambda: "富士山" in str(app.screen.query_one("#details", Static).visual))
        await until(pilot, lambda: size == NARROW or "⠒" in _shown(app.screen.query_one(ChartWidget)))
        await still(pilot)

    assert snap_compare(app, terminal_size=size, run_before=look)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_chat(snap_compare: Compare, size: tuple[int, int]) -> None:
    engine = ScriptedEngine()
    app = SuironApp(data="demo", model="demo", engine=engine)

    async def talk(pilot: Pilot[None]) -> None:
        await opened(app)(pilot)
        await pilot.press("a")
        await until(pilot, lambda: app.session.screen == "chat" and app.screen.query(FinishLine))
        await pilot.press("f5")
        await until(pilot, lambda: engine.questions)
        engine.say(*reasoning("17 = 7 * 2 + 3。", "7日ごとに同じ曜日になる。\n火曜日の3日後は金曜日。"))
        engine.say(*response("**金曜日** です。\n\n1. 17 を 7 で割る\n2. 余りは `3`"))
        engine.say(finish())
        await until(pilot, lambda: "tok/s" in app.screen.query_one(FinishLine).words)
        await still(pilot)

    assert snap_compare(app, terminal_size=size, run_before=talk)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_prompts(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    app = SuironApp(data="demo", model=str(make_tokenizer_folder(tmp_path / "tiny")))

    async def look(pilot: Pilot[None]) -> None:
        await opened(app)(pilot)
        await pilot.press("T")
        await until(pilot, lambda: app.session.screen == "prompts" and bool(app.screen.query("#about")))
        await pilot.press("v")
        if size == WIDE:
            await pilot.press("e")
        await until(pilot, lambda: "[tokens]" in str(app.screen.query_one("#about", Static).visual))
        await until(
            pilot, lambda: size == NARROW or "being written" in str(app.screen.query_one("#about", Static).visual)
        )
        await still(pilot)

    assert snap_compare(app, terminal_size=size, run_before=look)


def _shown(widget: Any) -> str:
    return "".join(tile.render_line(y).text for tile in widget.query("*") for y in range(tile.size.height))


def test_every_picture_is_kept() -> None:
    """A snapshot that is missing would be drawn, not compared."""
    kept = {path.stem for path in (Path(__file__).parent / "__snapshots__" / "test_snapshots").iterdir()}
    assert kept == {
        f"test_{name}[{size}]" for name in ("data", "train", "runs", "chat", "prompts") for size in ("wide", "narrow")
    } | {"test_help"}
