"""The engine's process as others see it: whether it still moves, and its end by force. Light: no HTTP, no torch.

An engine can hang: stopped by a signal, or waiting for a GPU that never answers. It keeps its lock and its socket then,
so it is in the way of a new one. A busy engine is not a hanging one: what tells them apart is the time that its process
spends on the processor.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Literal

from core.base.errors import EngineError
from core.engine import launch
from core.engine.protocol import EngineHangs

DUMP_SIGNAL = signal.SIGUSR1
"""Makes the engine write into its log where each of its threads is."""
EngineEnd = Literal["none", "asked", "terminated", "killed"]
"""How an engine was ended. none: there was none. asked: it ended by itself, as it was asked over its socket."""
Movement = Literal["gone", "stopped", "still", "moves"]
"""What a process did since it was looked at last. stopped: by a signal. still: it used no time of the processor."""

_END_BY_SIGNAL = 3.0  # seconds that a server may take to end after SIGTERM
_END_BY_KILL = 10.0  # seconds until the kernel has taken a killed process apart, with its memory on a GPU
_POLL = 0.05


class EngineMovement:
    """Looks at a process again and again. A process that cannot be looked at is taken to move."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._seconds = self._look()[1]

    def since_last(self) -> Movement:
        """What the process did since the last call, or since this object was made."""
        state, seconds = self._look()
        if state != "moves":
            return state
        moved = seconds > self._seconds
        self._seconds = seconds
        return "moves" if moved else "still"

    def _look(self) -> tuple[Literal["gone", "stopped", "moves"], float]:
        import psutil

        try:
            process = psutil.Process(self.pid)
            with process.oneshot():
                state, times = process.status(), process.cpu_times()
        except psutil.NoSuchProcess:
            return "gone", 0.0
        except psutil.Error:  # of another user, or behind a wall
            return "moves", time.monotonic()
        if state in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return "gone", 0.0
        stopped = state in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
        return ("stopped" if stopped else "moves"), times.user + times.system


def end_by_force() -> EngineEnd:
    """End the process that has this home's lock, without its help: SIGTERM, then SIGKILL where that does not end it.
    Waits until the lock is free. Raises EngineError where it cannot be ended, or is no engine."""
    pid = launch.lock_holder()
    if pid is None:
        return "none"
    _check_is_engine(pid)
    _send(pid, signal.SIGTERM)
    _send(pid, signal.SIGCONT)  # a stopped process hears no signal but this one
    if _released(pid, _END_BY_SIGNAL):
        return "terminated"
    _send(pid, DUMP_SIGNAL)
    _released(pid, 0.2)
    _kill(pid)
    if not _released(pid, _END_BY_KILL):
        what = f"the inference server (process {pid}) does not end, even killed: the kernel waits for a device"
        raise EngineError(what, str(launch.log_path()), "Wait, or restart this machine")
    return "killed"


def hangs(pid: int) -> EngineHangs:
    """The error for an engine that does not move."""
    do = "End it with `python -m core serve --stop`; the next question starts a new one"
    return EngineHangs(f"the inference server (process {pid}) hangs: it does not answer", str(launch.log_path()), do)


def _check_is_engine(pid: int) -> None:
    """Raise EngineError unless `pid` is an engine of this user on this machine: a home may be shared with a container,
    where the same number is another process."""
    import psutil

    try:
        process = psutil.Process(pid)
        mine = process.uids().real == os.getuid() and any("core.engine" in word for word in process.cmdline())
    except psutil.NoSuchProcess:
        mine = False
    except psutil.Error as error:
        raise EngineError(
            f"process {pid} cannot be looked at ({type(error).__name__})", "", "End it by hand"
        ) from error
    if not mine:
        what = f"the lock names process {pid}, which is no inference server of yours on this machine"
        raise EngineError(what, str(launch.engine_folder()), "End the server where it runs, or on its own machine")


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill(pid: int) -> None:
    """Kill the process, and with it whatever it started, where it has a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        if os.getsid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)


def _released(pid: int, seconds: float) -> bool:
    """Whether the process gives up the lock within so many seconds."""
    end = time.monotonic() + seconds
    while launch.lock_holder() == pid:
        if time.monotonic() > end:
            return False
        time.sleep(_POLL)
    return True
