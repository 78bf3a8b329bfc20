"""Starts a job as a detached process with its own session and log and no pipes, independent of the terminal; resumes
one in the same folder. A training run starts at once, or waits in the queue of its GPU (`core.runs.queue`)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Literal

import msgspec

from core.base import folders
from core.base.child import environment
from core.base.errors import RunError
from core.runs.cuda_devices import cuda_is_visible, gpus_of_this_process
from core.runs.queue_tickets import add_ticket
from core.runs.run_folder import RunFolder, create_job_folder, list_runs
from core.runs.spec import RunSpec, check_run_spec, dump_run_spec
from core.runs.spec_checks import check_for_device
from core.runs.status_file import FailureCause, RunStatus

JOB_MODULES = {"train": "core.training", "export": "core.export"}
"""The module that does the work of each kind of job: `python -m MODULE FOLDER`."""
QUEUED_RUN_MODULE = "core.cli.queued_run"
"""The module of a run that waits, before it becomes that of its kind: `python -m MODULE FOLDER`."""
RESUMED_BY_ITSELF = frozenset({"paused", "lost", "failed"})
"""How a run has ended that `--resume auto` goes on with. Others have ended as they should, or as a person wished."""


class QueueWish(msgspec.Struct, frozen=True):
    """That a run waits for its turn, and for what."""

    gpus: tuple[str, ...] = ()
    """The GPUs that it waits for and takes, as CUDA_VISIBLE_DEVICES names them; empty for the CPU."""
    wait_memory_gib: float = 0.0
    """It also waits until each of them has this much free memory, in GiB; 0: it does not."""


def start_run(spec: RunSpec, queue: QueueWish | None = None) -> RunFolder:
    """Create the run's folder and start its process, which waits for its turn where `queue` says so. Returns as soon as
    the process exists; its status has the rest.

    Raises RunError where a setting is out of range, the folder cannot be created or the process cannot be started.
    """
    check_run_spec(spec)
    check_for_device(spec, cuda_is_visible())
    return start_job(spec.name, dump_run_spec(spec), queue)


def start_job(name: str, content: bytes, queue: QueueWish | None = None) -> RunFolder:
    """Create the folder of a job of any kind and start its process, as `start_run` does. name: part of its id. content:
    of its run.toml, already checked. Raises RunError where the folder cannot be created or the process cannot be
    started."""
    try:
        run = create_job_folder(name, content)
    except OSError as error:
        raise RunError(
            f"the run's folder cannot be created ({error.strerror})",
            error.filename or "",
            "Free some space, or set SUIRON_HOME to another folder",
        ) from error
    _start_or_queue(run, (), queue)
    return run


def why_not_resumable(run: RunFolder, status: RunStatus) -> RunError | None:
    """Why the run cannot be resumed; None where it can. Reads the disk."""
    kind = run.kind()
    if kind != "train":
        return RunError(f"a job of kind {kind!r} cannot be resumed", run.id, "Start a new one")
    if not status.ended:
        return RunError(f"the run is {status.state}", run.id, f"Watch it with `python -m core runs {run.id} --follow`")
    if status.state == "finished":
        return RunError("the run has finished: there is nothing to go on with", run.id, "Start a new one")
    if status.state == "discarded":
        return RunError("the run was discarded: nothing of it is left", run.id, "Start a new one")
    if not (run.path / "lock").exists():
        return RunError("the run was made by an earlier version, which kept less", run.id, "Start a new one")
    return None


def resume_run(run: RunFolder, accept_changes: bool = False, queue: QueueWish | None = None) -> RunFolder:
    """Start a process that goes on in the run's folder, from its newest whole checkpoint, or from the beginning where
    there is none. accept_changes: also where its rows or its model are not what they were. queue: it waits for its turn
    before.

    Raises RunError where the run cannot be resumed, or the process cannot be started.
    """
    status = run.status()
    if reason := why_not_resumable(run, status):
        raise reason
    run.spec()  # its errors are seen here, not in a process
    waiting = msgspec.structs.replace(
        status, state="starting", pid=0, host=socket.gethostname(), started=time.time(), over=False, error=None
    )
    try:
        run.write_status(msgspec.structs.replace(waiting, beats=status.beats + 1, message="resuming"))
    except OSError as error:
        what = f"the run's folder cannot be written ({error.strerror})"
        raise RunError(what, str(run.path), "Free some space, then resume it again") from error
    _start_or_queue(run, ("--accept-changes",) if accept_changes else (), queue)
    return run


def start_or_resume_run(
    spec: RunSpec, queue: QueueWish | None = None
) -> tuple[RunFolder, Literal["started", "resumed", "running", "ended"]]:
    """What `train SPEC --resume auto` does, as often as it is called: the newest run of exactly this specification is
    left alone while it works and where it has ended as it should, and resumed otherwise; without one, a new run is
    started. Returns the run and what was done. Raises RunError."""
    check_run_spec(spec)
    with _one_at_a_time():
        for run in list_runs():
            if not _has_spec(run, spec):
                continue
            status = run.status()
            if not status.ended:
                return run, "running"
            if status.state not in RESUMED_BY_ITSELF:
                return run, "ended"
            return resume_run(run, queue=queue), "resumed"
        return start_run(spec, queue), "started"


def _has_spec(run: RunFolder, spec: RunSpec) -> bool:
    if run.kind() != "train" or not (run.path / "lock").exists():
        return False
    try:
        return run.spec() == spec
    except RunError:
        return False


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Of several callers on this host, the second one sees the run that the first one starts. Raises RunError."""
    path = folders.runs() / ".launch"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        what = f"the folder of the runs cannot be written ({error.strerror})"
        raise RunError(what, str(path.parent), "Free some space, or set SUIRON_HOME to another folder") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def job_command(run: RunFolder, *options: str) -> list[str]:
    """The command that does the work of the job in its folder."""
    return [sys.executable, "-m", JOB_MODULES[run.kind()], str(run.path), *options]


def _start_or_queue(run: RunFolder, options: tuple[str, ...], queue: QueueWish | None) -> None:
    """Start the process of the job, and for a training run write its ticket before: a run that does not wait takes its
    GPU too, so that others wait for it. Raises RunError."""
    if run.kind() == "train":
        gpus = gpus_of_this_process() if queue is None else queue.gpus
        try:
            wait = 0.0 if queue is None else queue.wait_memory_gib
            add_ticket(run.id, gpus, started=queue is None, options=options, wait_memory_gib=wait)
        except (OSError, RunError) as error:
            what, do = f"the run cannot be put into the queue ({error})", "Repair that and start it again"
            raise _failed_to_start(run, FailureCause(what, run.id, do)) from error
    if queue is None:
        _start_process(run, *options)
    else:
        _start_waiting_process(run, queue.gpus)


def _start_process(run: RunFolder, *options: str) -> None:
    """Start the process that works in the folder. Raises RunError."""
    _spawn(run, job_command(run, *options))


def _start_waiting_process(run: RunFolder, gpus: tuple[str, ...]) -> None:
    """Start the process that waits for the run's turn and then works in the folder, on `gpus`. Raises RunError."""
    devices = {"CUDA_VISIBLE_DEVICES": ",".join(gpus), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if gpus else {}
    _spawn(run, [sys.executable, "-m", QUEUED_RUN_MODULE, str(run.path)], **devices)


def _spawn(run: RunFolder, command: list[str], **variables: str) -> None:
    try:
        with open(run.console, "ab") as console:
            process = subprocess.Popen(
                command,
                cwd=run.path,  # libraries that write into the working directory write here
                env=environment(PYTHONUNBUFFERED="1", **variables),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=True,
            )
    except OSError as error:
        what = f"the run's process cannot be started ({error.strerror})"
        do = "Free some memory or disk space and start it again"
        raise _failed_to_start(run, FailureCause(what, run.id, do)) from error
    _reap(process)


def _failed_to_start(run: RunFolder, cause: FailureCause) -> RunError:
    """The error for `cause`, which also becomes the run's last status."""
    with contextlib.suppress(OSError):  # a full disk: then the run counts as lost
        run.write_status(RunStatus(state="failed", started=time.time(), error=cause, over=True))
    return RunError(cause.what, cause.where, cause.do)


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Collect the exit status of a run that ends before this process; otherwise it stays a zombie, which looks
    alive."""
    import threading

    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
