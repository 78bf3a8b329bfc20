"""The folder of a job, which may be a training run: its files, the requests to it, and all jobs there are.

Every file has one writer. The job's own process writes; everybody else only reads, and drops requests into `requests/`.
"""

from __future__ import annotations

import re
import secrets
import socket
import time
from pathlib import Path
from typing import Any

import msgspec

from core.base import files, folders
from core.base.errors import RunError
from core.runs.checkpoint_folders import newest_adapter, newest_whole_checkpoint
from core.runs.curve_file import Curve, open_curve
from core.runs.events_file import JobEvent, read_events
from core.runs.facts_file import read_facts
from core.runs.job_lock import lock_is_held, make_lock_file
from core.runs.job_requests import JobRequest, list_requests, write_request
from core.runs.metrics_file import ResumedAt, StepMetric, append_step_metric, read_metric_lines, read_step_metrics
from core.runs.samples_file import RunSamples, read_samples
from core.runs.spec import RunSpec, dump_run_spec, load_run_spec
from core.runs.status_file import RunStatus, read_run_status, write_run_status

NAME_IN_ID = 32  # characters of a job's name that its id has room for


class RunFolder:
    """One job on the disk. Cheap to make; every call reads the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def adapter(self) -> Path:
        """Folder of the trained LoRA adapter, once the run has saved it."""
        return self.path / "adapter"

    @property
    def console(self) -> Path:
        return self.path / "console.log"

    def kind(self) -> str:
        """The kind of job, as in its run.toml: `train` in folders of earlier versions, empty where it cannot be
        read."""
        try:
            head = msgspec.toml.decode((self.path / "run.toml").read_bytes())
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return ""
        kind = head.get("kind", "train") if isinstance(head, dict) else ""
        return kind if isinstance(kind, str) else ""

    def spec(self) -> RunSpec:
        """The specification of a training run. Raises RunError."""
        return load_run_spec(self.path / "run.toml")

    def status(self) -> RunStatus:
        """See `read_run_status`."""
        return read_run_status(self.path)

    def facts(self) -> dict[str, Any]:
        """What the job found out about its rows, model and machine; empty before that."""
        return read_facts(self.path)

    def metrics(self, offset: int = 0) -> tuple[list[StepMetric], int]:
        """See `read_step_metrics`."""
        return read_step_metrics(self.path, offset)

    def metric_lines(self, offset: int = 0) -> tuple[list[StepMetric | ResumedAt], int]:
        """See `read_metric_lines`."""
        return read_metric_lines(self.path, offset)

    def curve(self) -> Curve:
        """See `open_curve`."""
        return open_curve(self.path)

    def events(self, offset: int = 0) -> tuple[list[JobEvent], int]:
        """See `read_events`."""
        return read_events(self.path, offset)

    def samples(self, before: RunSamples | None = None) -> RunSamples:
        """See `read_samples`."""
        return read_samples(self.path, before)

    def request(self, kind: str, value: Any = None, key: str = "") -> str:
        """Ask the job for something; it does so at its next step. See `write_request`."""
        return write_request(self.path, kind, value, key)

    def requests(self) -> list[JobRequest]:
        """All requests so far, in order."""
        return list_requests(self.path)

    def works(self) -> bool:
        """Whether a process of this host works in the folder."""
        return bool(lock_is_held(self.path))

    def checkpoint(self) -> Path | None:
        """The newest whole checkpoint."""
        return newest_whole_checkpoint(self.path)

    def newest_adapter(self) -> Path | None:
        """See `newest_adapter`."""
        return newest_adapter(self.path)

    # -- the job's own side --

    def write_status(self, status: RunStatus) -> None:
        write_run_status(self.path, status)

    def append_metric(self, metric: StepMetric | ResumedAt) -> None:
        append_step_metric(self.path, metric)


def create_run_folder(spec: RunSpec) -> RunFolder:
    """A new run folder with its `run.toml`. Its id sorts by time and holds the run's name. Raises OSError, RunError."""
    return create_job_folder(spec.name, dump_run_spec(spec))


def create_job_folder(name: str, content: bytes) -> RunFolder:
    """A new folder for a job of any kind. name: part of its id. content: of its `run.toml`, which names its kind.
    Raises OSError."""
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:NAME_IN_ID] or "run"
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = folders.runs() / f"{stamp}-{word}-{secrets.token_hex(4)}"
    path.mkdir(mode=0o700)
    make_lock_file(path)
    run = RunFolder(path)
    run.write_status(RunStatus(state="starting", host=socket.gethostname(), started=time.time()))
    files.replace_file(path / "run.toml", content)  # last: a folder without it is not a run
    return run


def list_runs() -> list[RunFolder]:
    """All jobs of any kind and version, newest first."""
    return [RunFolder(path) for path in sorted(folders.runs().iterdir(), reverse=True) if (path / "run.toml").is_file()]


def list_training_runs() -> list[RunFolder]:
    """The jobs of kind `train`, newest first. Reads a file of each."""
    return [run for run in list_runs() if run.kind() == "train"]


def find_run(name: str) -> RunFolder:
    """The run whose id is `name`, or the only one whose id starts or ends with it; `last` is the newest training run,
    or the newest job where there is none. Raises RunError."""
    runs = list_runs()
    if name == "last" and runs:
        return next((run for run in runs if run.kind() == "train"), runs[0])
    matches = [run for run in runs if run.id == name] or [
        run for run in runs if run.id.startswith(name) or run.id.endswith(name)
    ]
    if len(matches) != 1:
        what = "no such run" if not matches else f"{len(matches)} runs match"
        raise RunError(what, name, "`python -m core runs` lists them")
    return matches[0]
