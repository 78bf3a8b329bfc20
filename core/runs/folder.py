"""The run folder: what is written there, by whom, and how it is read while it is being written.

Every file has one writer. `RunFolder` reads; `training` writes through `write_status` and `append_metric`; whoever
steers a run appends to control.jsonl.
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
from core.runs.spec import RunSpec, dump_spec, load_spec

State = Literal["starting", "loading", "training", "saving", "finished", "stopped", "failed", "lost"]
ENDED: frozenset[str] = frozenset({"finished", "stopped", "failed", "lost"})
STARTING = 30.0  # seconds a new process has to say its first word (it imports little before it does)
SILENCE = 90.0  # seconds without a heartbeat after which a run on another host counts as lost; a run beats every 2 s


class Trouble(msgspec.Struct, frozen=True):
    """An error's three parts, as in `SuironError`."""

    what: str
    where: str = ""
    do: str = ""


class Status(msgspec.Struct, frozen=True):
    """status.json. Times are seconds since the epoch. `message` says what the run is doing; `backend` which library
    trains, and why."""

    state: State
    step: int = 0
    total: int = 0
    pid: int = 0
    host: str = ""
    started: float = 0.0
    heartbeat: float = 0.0
    seconds_left: float | None = None
    message: str = ""
    backend: str = ""
    error: Trouble | None = None
    facts: dict[str, Any] = {}

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Metric(msgspec.Struct, frozen=True):
    """A line of metrics.jsonl: one logged optimizer step. A loss that is not a finite number is None. memory is GiB in
    use at its peak."""

    step: int
    time: float
    loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float | None = None
    tokens: int = 0
    epoch: float = 0.0
    memory: float | None = None


class RunFolder:
    """Reads one run. Cheap to make; every call looks at the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def adapter(self) -> Path:
        """Where the trained LoRA adapter stands once the run has saved it (adapter_config.json is written last)."""
        return self.path / "adapter"

    @property
    def console(self) -> Path:
        return self.path / "console.log"

    def spec(self) -> RunSpec:
        return load_spec(self.path / "run.toml")

    def status(self) -> Status:
        """The status as last written, or `lost` where its process is gone without having said that it ended."""
        try:
            status = self._status()
            if status.ended or _alive(status, self.id):
                return status
            status = self._status()  # again: it may have said that it ended, and gone, between the two looks
        except FileNotFoundError:
            return Status(state="lost", error=Trouble("the run was never started", self.id, "Start it again"))
        except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
            raise RunError(
                f"the run's status cannot be read ({error})", str(self.path / "status.json"), "Look at its console.log"
            ) from error
        if not status.ended:
            trouble = Trouble(
                "the process that trained is gone",
                self.id,
                "Its console.log may say why; checkpoints and metrics up to then are kept",
            )
            return msgspec.structs.replace(status, state="lost", error=trouble)
        return status

    def _status(self) -> Status:
        return msgspec.json.decode((self.path / "status.json").read_bytes(), type=Status)

    def metrics(self, offset: int = 0) -> tuple[list[Metric], int]:
        """The metrics from byte `offset` on, and the offset to go on from; lines of another shape are skipped."""
        lines, offset = files.read_json_lines(self.path / "metrics.jsonl", offset)
        metrics = []
        for line in lines:
            try:
                metrics.append(msgspec.convert(line, Metric))
            except msgspec.ValidationError:
                continue  # a line of a later version, or two torn lines that happen to form JSON
        return metrics, offset

    def request(self, kind: Literal["stop", "checkpoint"]) -> None:
        """Ask the run to do something; it obeys at its next step."""
        files.append_json(self.path / "control.jsonl", {"request": kind, "time": time.time()})

    def requests(self, offset: int = 0) -> tuple[list[str], int]:
        lines, offset = files.read_json_lines(self.path / "control.jsonl", offset)
        return [line["request"] for line in lines if isinstance(line.get("request"), str)], offset

    # -- the run's own side --

    def write_status(self, status: Status) -> None:
        files.replace_file(self.path / "status.json", msgspec.json.encode(status))

    def append_metric(self, metric: Metric) -> None:
        files.append_json(self.path / "metrics.jsonl", metric)


def _alive(status: Status, run_id: str) -> bool:
    now = time.time()
    if status.host != socket.gethostname():
        return now - status.heartbeat < SILENCE
    if not status.pid:  # between the folder's making and the process's first word
        return now - status.started < STARTING
    command = Path(f"/proc/{status.pid}/cmdline")
    if command.parent.parent.joinpath("self").exists():
        # A process number is used again after a while, and a zombie has no command line: only a process that names this
        # run is it.
        try:
            return run_id.encode() in command.read_bytes()
        except OSError:
            return False
    try:
        os.kill(status.pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def create_run(spec: RunSpec) -> RunFolder:
    """A new run folder with its `run.toml`. Its id sorts by time and carries the run's name."""
    content = dump_spec(spec)
    word = re.sub(r"[^a-z0-9]+", "-", spec.name.lower()).strip("-")[:32] or "run"
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = folders.runs() / f"{stamp}-{word}-{secrets.token_hex(2)}"
    path.mkdir(mode=0o700)
    run = RunFolder(path)
    run.write_status(Status(state="starting", host=socket.gethostname(), started=time.time()))
    files.replace_file(path / "run.toml", content)  # last: a folder without it is no run
    return run


def list_runs() -> list[RunFolder]:
    """All runs, newest first."""
    return [RunFolder(path) for path in sorted(folders.runs().iterdir(), reverse=True) if (path / "run.toml").is_file()]


def find_run(name: str) -> RunFolder:
    """The run whose id is `name`, or the only one whose id begins with it or ends with it; `last` is the newest."""
    runs = list_runs()
    if name == "last" and runs:
        return runs[0]
    matches = [run for run in runs if run.id == name] or [
        run for run in runs if run.id.startswith(name) or run.id.endswith(name)
    ]
    if len(matches) != 1:
        what = "there is no such run" if not matches else f"{len(matches)} runs match"
        raise RunError(what, name, "`python -m core runs` lists them")
    return matches[0]
