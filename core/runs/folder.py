"""The run folder: its files, their writers, and reading them while the run writes.

Every file has one writer. The run's own process writes with `write_status` and `append_metric`; all other processes
only read, and send requests to the run by appending to control.jsonl.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.base import files, folders
from core.base.errors import RunError
from core.runs.spec import RunSpec, dump_run_spec, load_run_spec

RunState = Literal["starting", "loading", "training", "saving", "finished", "stopped", "failed", "lost"]
ENDED_STATES: frozenset[str] = frozenset({"finished", "stopped", "failed", "lost"})
START_SECONDS = 30.0  # a new process has this long to write its first status; it imports little before that
SILENCE_SECONDS = 90.0  # a run on another host counts as lost without a heartbeat for this long; a run beats every 2 s


class FailureCause(msgspec.Struct, frozen=True):
    """The reason why a run ended or cannot be read, in the three parts of a `SuironError`."""

    what: str
    """What happened."""
    where: str = ""
    """The file, run or model to which it happened."""
    do: str = ""
    """What to do next."""


class RunStatus(msgspec.Struct, frozen=True):
    """status.json: the state and progress of the run."""

    state: RunState
    """The run's current work, or how it ended. `lost`: its process ended without a final status."""
    step: int = 0
    """Optimizer steps done."""
    total: int = 0
    """Optimizer steps planned; 0 until the number is known."""
    pid: int = 0
    """The id of the run's process; 0 until it writes its first status."""
    host: str = ""
    """The name of its machine."""
    started: float = 0.0
    """When the folder was created, in seconds since the epoch."""
    heartbeat: float = 0.0
    """When the process last wrote, in seconds since the epoch."""
    seconds_left: float | None = None
    """Estimated time to the end, in seconds; None while it is unknown."""
    message: str = ""
    """The run's current work, in words."""
    backend: str = ""
    """The library that trains, and why."""
    error: FailureCause | None = None
    """The cause of its failure."""
    facts: dict[str, Any] = {}
    """Counts, hashes, revisions and versions of the run."""

    @property
    def ended(self) -> bool:
        return self.state in ENDED_STATES


class StepMetric(msgspec.Struct, frozen=True):
    """A line of metrics.jsonl: one optimizer step."""

    step: int
    """Optimizer steps done, this one included."""
    time: float
    """When it was logged, seconds since the epoch."""
    loss: float | None = None
    """Mean cross-entropy of the step's trained tokens, in nats; None where it is not a finite number."""
    learning_rate: float | None = None
    """The rate of this step."""
    grad_norm: float | None = None
    """Norm of the gradients before clipping."""
    tokens_per_second: float | None = None
    """Tokens of the step, padding excluded, over its duration."""
    tokens: int = 0
    """Tokens since the first step, padding excluded."""
    epoch: float = 0.0
    """Passes over the rows so far."""
    memory: float | None = None
    """Peak memory so far, in GiB."""


class RunFolder:
    """One run on the disk. Making the object costs nothing; every call reads the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def adapter(self) -> Path:
        """Folder of the trained LoRA adapter, once the run has saved it (adapter_config.json is written last)."""
        return self.path / "adapter"

    @property
    def console(self) -> Path:
        return self.path / "console.log"

    def spec(self) -> RunSpec:
        return load_run_spec(self.path / "run.toml")

    def status(self) -> RunStatus:
        """The last written status, or `lost` where the process ended without a final status."""
        try:
            status = self._read_status()
            if status.ended or _alive(status, self.id):
                return status
            status = self._read_status()  # again: it may have ended between the two reads
        except FileNotFoundError:
            return RunStatus(state="lost", error=FailureCause("the run was never started", self.id, "Start it again"))
        except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
            what = f"the run's status cannot be read ({error})"
            raise RunError(what, str(self.path / "status.json"), "Look at its console.log") from error
        if not status.ended:
            trouble = FailureCause(
                "the training process has ended without a final status",
                self.id,
                "Its console.log may say why; checkpoints and metrics so far are kept",
            )
            return msgspec.structs.replace(status, state="lost", error=trouble)
        return status

    def _read_status(self) -> RunStatus:
        return msgspec.json.decode((self.path / "status.json").read_bytes(), type=RunStatus)

    def metrics(self, offset: int = 0) -> tuple[list[StepMetric], int]:
        """The metrics from byte `offset` on, and the offset for the next call; lines of another shape are skipped."""
        lines, offset = files.read_json_lines(self.path / "metrics.jsonl", offset)
        metrics = []
        for line in lines:
            try:
                metrics.append(msgspec.convert(line, StepMetric))
            except msgspec.ValidationError:
                continue  # a line of a later version, or two torn lines that happen to form JSON
        return metrics, offset

    def request(self, kind: Literal["stop", "checkpoint"]) -> None:
        """Ask the run to stop or to save a checkpoint; it does so at its next step."""
        files.append_json(self.path / "control.jsonl", {"request": kind, "time": time.time()})

    def requests(self, offset: int = 0) -> tuple[list[str], int]:
        """The requests from byte `offset` of control.jsonl on, and the offset for the next call."""
        lines, offset = files.read_json_lines(self.path / "control.jsonl", offset)
        return [line["request"] for line in lines if isinstance(line.get("request"), str)], offset

    # -- the run's own side --

    def write_status(self, status: RunStatus) -> None:
        files.replace_file(self.path / "status.json", msgspec.json.encode(status))

    def append_metric(self, metric: StepMetric) -> None:
        files.append_json(self.path / "metrics.jsonl", metric)


def _alive(status: RunStatus, run_id: str) -> bool:
    now = time.time()
    if status.host != socket.gethostname():
        return now - status.heartbeat < SILENCE_SECONDS
    if not status.pid:  # the process has not written its first status yet
        return now - status.started < START_SECONDS
    command = Path(f"/proc/{status.pid}/cmdline")
    if command.parent.parent.joinpath("self").exists():
        # Process ids are reused, and a zombie has no command line: only a process with this run in its command line
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


def create_run_folder(spec: RunSpec) -> RunFolder:
    """A new run folder with its `run.toml`. Its id sorts by time and contains the run's name. Raises OSError,
    RunError."""
    content = dump_run_spec(spec)
    word = re.sub(r"[^a-z0-9]+", "-", spec.name.lower()).strip("-")[:32] or "run"
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = folders.runs() / f"{stamp}-{word}-{secrets.token_hex(2)}"
    path.mkdir(mode=0o700)
    run = RunFolder(path)
    run.write_status(RunStatus(state="starting", host=socket.gethostname(), started=time.time()))
    files.replace_file(path / "run.toml", content)  # last: a folder without it is not a run
    return run


def list_runs() -> list[RunFolder]:
    """All runs, newest first."""
    return [RunFolder(path) for path in sorted(folders.runs().iterdir(), reverse=True) if (path / "run.toml").is_file()]


def find_run(name: str) -> RunFolder:
    """The run whose id is `name`, or the only one whose id starts or ends with it; `last` is the newest. Raises
    RunError."""
    runs = list_runs()
    if name == "last" and runs:
        return runs[0]
    matches = [run for run in runs if run.id == name] or [
        run for run in runs if run.id.startswith(name) or run.id.endswith(name)
    ]
    if len(matches) != 1:
        what = "no such run" if not matches else f"{len(matches)} runs match"
        raise RunError(what, name, "`python -m core runs` lists them")
    return matches[0]
