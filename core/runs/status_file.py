"""status.json of a run: where it is, written by its process and read by everybody else."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.base.errors import RunError
from core.base.files import replace_file

RunState = Literal["starting", "loading", "training", "saving", "finished", "stopped", "failed", "lost"]
ENDED_STATES: frozenset[str] = frozenset({"finished", "stopped", "failed", "lost"})
START_SECONDS = 30.0  # a new process has this long to write its first status; it imports little before that
SILENCE_SECONDS = 90.0  # a run on another host counts as lost without a heartbeat for this long; a run beats every 2 s


class FailureCause(msgspec.Struct, frozen=True):
    """Why a run ended or cannot be read, in the three parts of a `SuironError`."""

    what: str
    """What happened."""
    where: str = ""
    """To which file, run or model."""
    do: str = ""
    """What to do next."""


class RunStatus(msgspec.Struct, frozen=True):
    """status.json: where the run is."""

    state: RunState
    """What the run is doing, or how it ended. `lost`: its process is gone without a last word."""
    step: int = 0
    """Optimizer steps done."""
    total: int = 0
    """Optimizer steps planned; 0 until it is known."""
    pid: int = 0
    """The process that works; 0 until it writes its first status."""
    host: str = ""
    """The machine it runs on."""
    started: float = 0.0
    """When the folder was made, seconds since the epoch."""
    heartbeat: float = 0.0
    """When the process last wrote, seconds since the epoch."""
    seconds_left: float | None = None
    """Estimated time to the end, in seconds; None while it is unknown."""
    message: str = ""
    """What the run is doing, in words."""
    backend: str = ""
    """Which library trains, and why."""
    error: FailureCause | None = None
    """Why it failed."""
    facts: dict[str, Any] = {}
    """Counts, hashes, revisions and versions that the run found out."""

    @property
    def ended(self) -> bool:
        return self.state in ENDED_STATES


def write_run_status(folder: Path, status: RunStatus) -> None:
    """Replace the status.json of the run in `folder`. Raises OSError."""
    replace_file(folder / "status.json", msgspec.json.encode(status))


def read_run_status(folder: Path) -> RunStatus:
    """The status as last written, or `lost` where the process is gone without having written how it ended. Raises
    RunError."""
    run_id = folder.name
    try:
        status = _decode_status(folder)
        if status.ended or _is_alive(status, run_id):
            return status
        status = _decode_status(folder)  # again: it may have ended between the two reads
    except FileNotFoundError:
        return RunStatus(state="lost", error=FailureCause("the run was never started", run_id, "Start it again"))
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        what = f"the run's status cannot be read ({error})"
        raise RunError(what, str(folder / "status.json"), "Look at its console.log") from error
    if status.ended:
        return status
    advice = "Its console.log may say why; checkpoints and metrics so far are kept"
    cause = FailureCause("the training process is gone", run_id, advice)
    return msgspec.structs.replace(status, state="lost", error=cause)


def _decode_status(folder: Path) -> RunStatus:
    return msgspec.json.decode((folder / "status.json").read_bytes(), type=RunStatus)


def _is_alive(status: RunStatus, run_id: str) -> bool:
    now = time.time()
    if status.host != socket.gethostname():
        return now - status.heartbeat < SILENCE_SECONDS
    if not status.pid:  # the process has not written its first status yet
        return now - status.started < START_SECONDS
    command = Path(f"/proc/{status.pid}/cmdline")
    if command.parent.parent.joinpath("self").exists():
        # Process ids are reused, and a zombie has no command line: only a process whose command line names this run
        # counts.
        try:
            return run_id.encode() in command.read_bytes()
        except OSError:
            return False
    try:
        os.kill(status.pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
