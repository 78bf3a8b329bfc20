"""Ranks that rank 0 starts itself: one that dies ends the run with its message, and none outlives rank 0."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.runs.checkpoint_folders import checkpoint_step
from core.runs.spec import RunSpec
from tests.support.run_forks import ForkedRun, ForkServer

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc")


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def wait(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


@pytest.fixture
def run(server: ForkServer, forked_spec: RunSpec, tmp_path: Path) -> ForkedRun:
    """Two ranks that train for ever, and have begun."""
    train = replace(forked_spec.train, steps=100_000, save_steps=0, gpus=2)
    started = ForkedRun(server, tmp_path / "run", replace(forked_spec, train=train))
    started.start()
    started.until(lambda folder: len(folder.metrics()[0]) >= 2)
    return started


def rank_of(run: ForkedRun) -> int:
    (rank,) = Path(f"/proc/{run.process}/task/{run.process}/children").read_text().split()
    return int(rank)


def test_a_rank_that_is_killed_ends_the_run_with_its_message(run: ForkedRun) -> None:
    rank = rank_of(run)
    os.kill(rank, signal.SIGKILL)
    assert run.end() == 5, run.log()
    status = run.run.status()
    assert status.state == "failed" and status.error is not None
    assert status.error.what.startswith("rank 1 of the run was killed by SIGKILL"), status.error.what
    assert "memory" in status.error.do
    assert [event.kind for event in run.run.events()[0]][-1] == "ended"


def test_no_rank_outlives_a_rank_0_that_is_killed(run: ForkedRun) -> None:
    rank = rank_of(run)
    run.signal(signal.SIGKILL)
    assert run.end() == -signal.SIGKILL
    wait(lambda: is_gone(rank))
    assert run.run.status().state == "lost"


def test_a_signal_to_rank_0_alone_saves_and_ends_all(run: ForkedRun) -> None:
    rank = rank_of(run)
    run.signal(signal.SIGTERM)
    assert run.end() == 0, run.log()
    wait(lambda: is_gone(rank))
    status, newest = run.run.status(), run.run.checkpoint()
    assert status.state == "paused" and "SIGTERM" in status.message
    assert newest is not None and checkpoint_step(newest) == status.step
