"""An engine that does not move: noticed by its clients, said, and ended. Real processes behind real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.base import child
from core.base.child import ROOT
from core.base.errors import EngineError
from core.engine import client as engine_client
from core.engine import engine_process, hang_watch, launch
from core.engine.client import EngineClient
from core.engine.engine_process import EngineMovement, end_by_force
from core.engine.protocol import ChatQuestion, EngineStatus
from tests.support.engine_processes import SLOW, process_client

LONG = ChatQuestion(instruction="Go on for ever.", template="alpaca", max_tokens=4000)


@pytest.fixture(autouse=True)
def no_runtime_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


@pytest.fixture
def client() -> Iterator[EngineClient]:
    with process_client() as started:
        yield started


def nothing(_: EngineStatus) -> None:
    pass


async def until(holds: object) -> None:
    async with asyncio.timeout(SLOW):
        while not holds():  # type: ignore[operator]  # noqa: ASYNC110 - a process of the operating system's
            await asyncio.sleep(0.02)


async def stop_process(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)


async def started(client: EngineClient) -> int:
    await client._start()
    pid = launch.lock_holder()
    assert pid is not None
    return pid


async def test_a_stopped_engine_is_said_and_ended(client: EngineClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_client, "_ANSWER", 100 * SLOW)  # it is not the time-out that notices
    pid = await started(client)
    await stop_process(pid)
    with pytest.raises(EngineError, match=f"process {pid}.* hangs") as hanging:
        await client.status()
    assert "serve --stop" in hanging.value.do
    with pytest.raises(EngineError, match="hangs"):
        await client.ensure("demo", "", nothing)
    assert await client.end() == "terminated"
    assert launch.lock_holder() is None
    assert await client.status() is None
    assert not launch.socket_path().exists(), "woken up, it ended as it does by itself"


async def test_an_engine_that_stops_in_the_middle_of_an_answer_is_noticed(
    client: EngineClient, tiny_folder: Path
) -> None:
    ready = await client.ensure(str(tiny_folder), "", nothing)
    with pytest.raises(EngineError, match="hangs"):
        async for _ in client.ask(LONG):
            if psutil.Process(ready.pid).status() != psutil.STATUS_STOPPED:
                await stop_process(ready.pid)
    assert await client.end() == "terminated"
    assert await client.status() is None


async def test_an_engine_that_answers_ends_when_it_is_asked_and_leaves_no_zombie(client: EngineClient) -> None:
    assert await client.end() == "none"
    pid = await started(client)
    assert await client.end() == "asked"
    # nobody asks for its exit status
    await until(lambda: not psutil.pid_exists(pid))


DEAF = """
    import fcntl, json, os, signal, socket, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: print("where I am", file=sys.stderr, flush=True))
    path, lock = os.environ["TEST_SOCKET"], os.open(os.environ["TEST_LOCK"], os.O_RDWR | os.O_CREAT)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps({"pid": os.getpid(), "socket": path}).encode(), 0)
    while True:
        time.sleep(1000)
"""


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Engines that are started have the lock and a socket, answer nothing, and ignore SIGTERM."""
    package = tmp_path / "core" / "engine"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(textwrap.dedent(DEAF))
    monkeypatch.setattr(child, "ROOT", tmp_path)
    monkeypatch.setenv("TEST_SOCKET", str(launch.socket_path()))
    monkeypatch.setenv("TEST_LOCK", str(launch._lock_path()))
    monkeypatch.setattr(hang_watch, "_LOOK", 0.1)
    monkeypatch.setattr(engine_process, "_END_BY_SIGNAL", 0.3)


async def test_an_engine_that_ignores_every_request_is_killed_by_the_pid_under_the_lock(
    client: EngineClient, deaf: None
) -> None:
    pid = await started(client)
    with pytest.raises(EngineError, match=f"process {pid}.* hangs"):
        await client.status()
    assert await client.end() == "killed"
    assert launch.exit_status(pid) in (None, -signal.SIGKILL)
    await until(lambda: launch.exit_status(pid) == -signal.SIGKILL)
    assert "where I am" in launch.log_path().read_text(), "before, it was asked to say where it hangs"


async def test_the_command_ends_it_too_and_says_how(client: EngineClient, deaf: None) -> None:
    pid = await started(client)
    command = [sys.executable, "-m", "core", "serve", "--json"]
    status = await asyncio.to_thread(
        subprocess.run, [*command, "--status"], cwd=ROOT, capture_output=True, text=True, timeout=SLOW
    )
    assert status.returncode == EngineError.exit_code
    assert "hangs" in status.stdout
    stop = await asyncio.to_thread(
        subprocess.run, [*command, "--stop"], cwd=ROOT, capture_output=True, text=True, timeout=SLOW
    )
    assert json.loads(stop.stdout) == {"running": False, "stopped_pid": pid, "how": "killed"}
    assert launch.lock_holder() is None


def test_a_process_that_is_no_engine_is_never_killed() -> None:
    with launch.claim_engine():  # by this process, whose command line is that of the tests
        assert launch.lock_holder() == os.getpid()
        with pytest.raises(EngineError, match="no inference server"):
            end_by_force()


def test_the_process_id_of_an_engine_that_died_is_not_believed() -> None:
    lock = launch._lock_path()
    lock.write_text(json.dumps({"pid": 1, "socket": "/nowhere"}))
    assert launch.lock_holder() is None
    assert end_by_force() == "none"


def test_what_a_process_did() -> None:
    assert EngineMovement(2**22 + 1).since_last() == "gone"
    mine = EngineMovement(os.getpid())
    while mine.since_last() != "moves":
        sum(range(100_000))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as waiting:
        movement = EngineMovement(waiting.pid)
        while movement.since_last() != "still":  # until it waits for its input
            pass
        waiting.send_signal(signal.SIGSTOP)
        while (did := movement.since_last()) != "stopped":
            assert did in ("still", "moves")
        waiting.kill()


# -- last words, and homes that cannot be used --


def test_a_crash_leaves_words_in_the_log(client: EngineClient) -> None:
    code = """
        import core.engine.launch as launch, ctypes
        import core.engine.__main__ as engine
        async def crash(*_): ctypes.string_at(0)
        engine._serve = crash
        engine.main([])
    """
    with open(launch.log_path(), "wb") as log:
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stderr=log, timeout=SLOW)
    assert done.returncode == -signal.SIGSEGV
    assert launch.last_crash() == "Fatal Python error: Segmentation fault"
    with open(launch.log_path(), "a") as log_again:
        log_again.write("2026-11-28 INFO suiron.engine: listening on x, process 1\n")
    assert launch.last_crash() == "", "an engine that was started since did not crash"


def test_a_home_that_is_a_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SUIRON_HOME", str(tmp_path / "file"))
    for call in (launch.start_engine, launch.engine_folder, launch.lock_holder, launch.claim_engine().__enter__):
        with pytest.raises(EngineError) as caught:
            call()
        assert caught.value.what
        assert str(tmp_path / "file") in caught.value.where
        assert "SUIRON_HOME" in caught.value.do
    done = subprocess.run(
        [sys.executable, "-m", "core.engine"], cwd=ROOT, capture_output=True, text=True, timeout=SLOW, check=False
    )
    assert done.returncode == EngineError.exit_code
    assert "Traceback" not in done.stderr
    assert "cannot be used" in done.stderr


def test_a_full_disk_is_said_and_the_lock_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(launch.os, "pwrite", full)
    with pytest.raises(EngineError, match="the disk is full"), launch.claim_engine():
        pass
    monkeypatch.undo()
    assert launch.lock_holder() is None
    assert not launch.engine_running()
