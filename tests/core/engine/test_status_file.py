"""The status of an engine that is too busy to reply: from its file, and only from its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from pathlib import Path

import psutil
import pytest

from core.base.errors import EngineError
from core.engine import hang_watch, launch, status_file
from core.engine.client import EngineClient
from core.engine.hang_watch import SilentEngine
from core.engine.protocol import EngineHangs, EngineStatus
from core.engine.status_file import StatusFile, read_status

SLOW = 120.0  # seconds before a test that waits for a process gives up


@pytest.fixture(autouse=True)
def no_runtime_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def test_a_status_is_read_as_it_was_written_and_only_of_the_process_that_wrote_it() -> None:
    file = StatusFile()
    assert read_status(5) is None
    status = EngineStatus(state="loading", model="立山", message="reading", pid=5)
    file.write(status)
    assert read_status(5) == status
    assert read_status(6) is None
    assert stat.S_IMODE(launch.status_path().stat().st_mode) == 0o600
    assert [path for path in launch.engine_folder().iterdir() if path.suffix == ".part"] == []
    launch.status_path().write_bytes(b'{"state": "lo')
    assert read_status(5) is None
    file.remove()
    file.remove()
    assert read_status(5) is None


def test_a_disk_that_is_full_costs_only_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = StatusFile()
    monkeypatch.setattr(status_file.os, "replace", full)
    for _ in range(3):
        file.write(EngineStatus(state="empty", pid=5))
    assert read_status(5) is None


async def never() -> EngineStatus:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_silent_engine_is_answered_for_until_it_has_not_moved_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hang_watch, "PROMPT", 0.0)
    monkeypatch.setattr(hang_watch, "_LOOK", 0.0)
    moves = iter(["still", "moves", "still", "moves", "still", "still"])
    monkeypatch.setattr(hang_watch.EngineMovement, "since_last", lambda _: next(moves))
    with launch.claim_engine():
        mine = EngineStatus(state="loading", message="importing the libraries", pid=os.getpid())
        StatusFile().write(mine)
        silent = SilentEngine()
        for _ in range(5):
            assert await silent.status_or_last(never) == mine
        with pytest.raises(EngineHangs):
            await silent.status_or_last(never)


async def test_an_engine_that_imports_is_asked_through_its_file(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real process. What it would answer is not waited for, so that every status is the file's."""
    monkeypatch.setattr(hang_watch, "PROMPT", 0.0)
    read: list[EngineStatus | None] = []
    behind = hang_watch.read_status

    def noted(pid: int) -> EngineStatus | None:
        read.append(behind(pid))
        return read[-1]

    monkeypatch.setattr(hang_watch, "read_status", noted)
    loader, other = EngineClient(), EngineClient()
    try:
        loading = asyncio.create_task(loader.ensure(str(tiny_folder), "", lambda _: None))
        seen: list[EngineStatus] = []
        async with asyncio.timeout(SLOW):
            while not loading.done():
                status = await other.status()
                if status is not None and status in read[-1:]:  # it may have answered itself all the same
                    seen.append(status)
                await asyncio.sleep(0.02)
        ready = await loading
        assert any(status.state == "loading" and status.model == str(tiny_folder) for status in seen)
        assert {status.pid for status in seen} == {ready.pid}
        last = await other.status()
        assert last is not None
        assert (last.state, last.loaded) == ("ready", ready.loaded)
        empty = await other.unload("a test needs it")
        assert empty is not None
        assert (empty.state, empty.loaded) == ("empty", ())
        os.kill(ready.pid, signal.SIGSTOP)
        async with asyncio.timeout(SLOW):
            while psutil.Process(ready.pid).status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        with pytest.raises(EngineError, match="hangs"):
            await other.status()
        await other.end()
        assert not launch.status_path().exists()
    finally:
        await loader.close()
        await other.close()
        for process in launch._children.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        launch._children.clear()
