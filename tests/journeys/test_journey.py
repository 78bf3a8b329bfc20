"""The whole way with everything real: a pseudo-terminal, the demo model, a detached run, the inference server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.journey import come_back, leave, look_around, start_training, talk, wait_until_trained
from bench.terminal import Terminal
from core.engine.client import EngineClient
from core.runs.run_folder import list_runs
from core.session import load_session

pytestmark = pytest.mark.journey

ROOT = str(Path(__file__).parents[2])
STEPS = 24  # enough for the demo model to answer in both sections


@pytest.fixture
def app_home(demo_model: Path) -> Iterator[None]:
    """A home with the demo model; whatever still runs in it at the end is stopped."""
    yield
    for run in list_runs():
        status = run.status()
        if not status.ended and status.pid:
            os.kill(status.pid, signal.SIGKILL)
    asyncio.run(EngineClient().shutdown())


def open_app(*words: str, columns: int = 120, lines: int = 40) -> Terminal:
    return Terminal([sys.executable, "-m", "tui", *words], columns, lines, cwd=ROOT)


def test_browse_train_lose_the_terminal_come_back_and_talk(app_home: None) -> None:
    with open_app("demo", "--model", "demo") as terminal:
        look_around(terminal)
        start_training(terminal, STEPS)
        terminal.hang_up()  # the connection is lost: SIGHUP
        terminal.process.wait(15)
    (run,) = list_runs()
    assert not run.status().ended
    assert load_session().screen == "train"

    with open_app(columns=80, lines=24) as terminal:
        come_back(terminal)
        terminal.process.kill()  # and now not even a signal it could heed
        terminal.process.wait(15)
    assert not run.status().ended

    with open_app(columns=80, lines=24) as terminal:
        come_back(terminal)
        wait_until_trained(terminal, 420)
        metrics, _ = run.metrics()
        assert [metric.step for metric in metrics] == list(range(1, STEPS + 1))
        assert f"step {STEPS}/{STEPS}" in terminal.text()
        screen = talk(terminal, "How many minutes are 2 hours and 10 minutes?")
        assert "End of answer" in screen
        leave(terminal)
    assert terminal.process.returncode == 0
    assert load_session().adapter == run.id
