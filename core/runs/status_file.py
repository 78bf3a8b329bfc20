"""status.json of a job: where it is, written by its process and read by everybody else."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.base.errors import RunError
from core.base.files import replace_file
from core.runs.job_lock import lock_is_held

RunState = Literal[
    "starting",
    "waiting",
    "loading",
    "training",
    "evaluating",
    "saving",
    "finished",
    "stopped",
    "paused",
    "discarded",
    "failed",
    "lost",
]
"""The states of a training run. Other kinds of jobs, and later versions, may write others."""
ENDED_STATES: frozenset[str] = frozenset({"finished", "stopped", "paused", "discarded", "failed", "lost"})
START_SECONDS = 30.0  # a new process has this long to write its first status; it imports little before that
SILENCE_SECONDS = 90.0  # a job on another host counts as lost without a beat for this long; a job beats every 2 s


class FailureCause(msgspec.Struct, frozen=True):
    """Why a run ended or cannot be read, in the three parts of a `SuironError`."""

    what: str
    """What happened."""
    where: str = ""
    """To which file, run or model."""
    do: str = ""
    """What to do next."""


class RunStatus(msgspec.Struct, frozen=True):
    """status.json: where the job is."""

    state: str
    """What the job is doing, or how it ended (see `RunState`). `lost`: its process is gone without a last word."""
    step: int = 0
    """Optimizer steps done."""
    total: int = 0
    """Optimizer steps planned; 0 until it is known."""
    pid: int = 0
    """The process that works; 0 until it writes its first status."""
    host: str = ""
    """The machine it runs on."""
    started: float = 0.0
    """When the process was started, seconds since the epoch."""
    heartbeat: float = 0.0
    """When the process last wrote, seconds since the epoch, by its own clock."""
    seconds_left: float | None = None
    """Estimated time to the end, in seconds; None while it is unknown."""
    message: str = ""
    """What the job is doing, in words."""
    backend: str = ""
    """Which library trains, and why."""
    error: FailureCause | None = None
    """Why it failed."""
    facts: dict[str, Any] = {}
    """Counts, hashes, revisions and versions: only in folders of earlier versions, which had no facts.json."""
    beats: int = 0
    """How often the process has written. A reader times the changes of this number by its own clock; 0 in folders of
    earlier versions."""
    over: bool = False
    """Whether this is the last status, which also readers see that do not know the state."""

    @property
    def ended(self) -> bool:
        return self.over or self.state in ENDED_STATES


def write_run_status(folder: Path, status: RunStatus) -> None:
    """Replace the status.json of the job in `folder`. Raises OSError."""
    replace_file(folder / "status.json", msgspec.json.encode(status))


def read_run_status(folder: Path) -> RunStatus:
    """The status as last written, or `lost` where the process is gone without having written how it ended. Raises
    RunError."""
    run_id = folder.name
    try:
        status = _decode_status(folder)
        if status.ended or _is_alive(status, folder):
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
    return msgspec.structs.replace(status, state="lost", seconds_left=None, error=cause)


def last_written_status(folder: Path) -> RunStatus:
    """The status as written, by whichever process; an empty one where there is none that can be read."""
    try:
        return _decode_status(folder)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return RunStatus(state="starting")


def _decode_status(folder: Path) -> RunStatus:
    return msgspec.json.decode((folder / "status.json").read_bytes(), type=RunStatus)


def _is_alive(status: RunStatus, folder: Path) -> bool:
    held = lock_is_held(folder)
    if held:
        return True
    now = time.time()
    if status.host != socket.gethostname():
        # The lock of another host is not always seen from here.
        return _heard.beat_is_recent(folder, status)
    if not status.pid:  # the process has not written its first status yet
        return now - status.started < START_SECONDS
    return held is None and _has_process_of_earlier_version(status, folder.name)


def _has_process_of_earlier_version(status: RunStatus, run_id: str) -> bool:
    """Whether the process of a folder without a lock is there."""
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


class _HeardBeats:
    """When this process last saw the beats of jobs on other hosts change, by its own clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[Path, tuple[int, float]] = {}

    def beat_is_recent(self, folder: Path, status: RunStatus) -> bool:
        """Whether the job has beaten in the last `SILENCE_SECONDS`. At the first look, and for earlier versions, only
        the job's own clock can tell."""
        by_its_clock = time.time() - status.heartbeat < SILENCE_SECONDS
        if not status.beats:
            return by_its_clock
        now = time.monotonic()
        with self._lock:
            beats, since = self._last.get(folder, (-1, 0.0))
            if beats == status.beats:
                return now - since < SILENCE_SECONDS
            # A beat that changed was heard now. What was seen first may be old.
            first = beats < 0
            self._last[folder] = (status.beats, now - SILENCE_SECONDS if first and not by_its_clock else now)
            return not first or by_its_clock


_heard = _HeardBeats()
