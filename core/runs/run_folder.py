"""The run folder: its files, the requests to the run, and all runs there are.

Every file has one writer. The run's own process writes through `write_status` and `append_metric`; everybody else only
reads, and asks the run for something by appending to control.jsonl.
"""

from __future__ import annotations

import re
import secrets
import socket
import time
from pathlib import Path
from typing import Literal

from core.base import files, folders
from core.base.errors import RunError
from core.runs.metrics_file import StepMetric, append_step_metric, read_step_metrics
from core.runs.spec import RunSpec, dump_run_spec, load_run_spec
from core.runs.status_file import RunStatus, read_run_status, write_run_status


class RunFolder:
    """One run on the disk. Cheap to make; every call reads the disk."""

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
        """See `read_run_status`."""
        return read_run_status(self.path)

    def metrics(self, offset: int = 0) -> tuple[list[StepMetric], int]:
        """See `read_step_metrics`."""
        return read_step_metrics(self.path, offset)

    def request(self, kind: Literal["stop", "checkpoint"]) -> None:
        """Ask the run to stop or to save a checkpoint; it does so at its next step."""
        files.append_json(self.path / "control.jsonl", {"request": kind, "time": time.time()})

    def requests(self, offset: int = 0) -> tuple[list[str], int]:
        """The requests from byte `offset` of control.jsonl on, and the offset to go on from."""
        lines, offset = files.read_json_lines(self.path / "control.jsonl", offset)
        return [line["request"] for line in lines if isinstance(line.get("request"), str)], offset

    # -- the run's own side --

    def write_status(self, status: RunStatus) -> None:
        write_run_status(self.path, status)

    def append_metric(self, metric: StepMetric) -> None:
        append_step_metric(self.path, metric)


def create_run_folder(spec: RunSpec) -> RunFolder:
    """A new run folder with its `run.toml`. Its id sorts by time and holds the run's name. Raises OSError, RunError."""
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
