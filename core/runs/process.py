"""What the process of every job has, whatever its kind: the lock of its folder, status and beats, events, requests,
signals, a console that survives a full disk, a reserve on the disk, and a last word.

`run_job` is the whole life of such a process. It knows nothing of training; `work` does.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from core.base.errors import RunError, SuironError
from core.runs.console_stream import DiskFullSafeStream
from core.runs.disk_reserve import give_up_disk_reserve, keep_disk_reserve
from core.runs.events_file import append_event
from core.runs.job_lock import take_job_lock
from core.runs.job_requests import JobRequest, RequestInbox
from core.runs.on_end import run_on_end
from core.runs.run_folder import RunFolder
from core.runs.status_file import FailureCause
from core.runs.status_reporter import StatusReporter
from core.runs.termination import Termination

WAITING_EVENTS = frozenset({"queued", "turn"})
"""The kinds of events of a run that waits in a queue."""
ENDING_REQUESTS = frozenset({"pause", "stop", "discard"})


class JobProcess:
    """A job's own view of its folder, while it has the lock."""

    def __init__(self, run: RunFolder, status: StatusReporter) -> None:
        self.run = run
        """The folder."""
        self.status = status
        """Writes status.json."""
        self.termination = Termination(self._end_now)
        """Whether a signal asked the process to end."""
        self.started_before = any(event.kind not in WAITING_EVENTS for event in run.events()[0])
        """Whether an earlier process has worked in this folder; waiting for its turn is no work."""
        self.inbox = RequestInbox(run.path, self._handled_before())
        """The requests that no process of the job has taken yet."""
        self.resumable_words = "nothing is lost"
        """What is kept, for the last word of a process that a signal ends at once."""
        self._event_failed = False

    def event(self, kind: str, words: str, *, step: int | None = None, **facts: Any) -> None:
        """Append an event. A full disk must not end the job: then it is printed instead."""
        step = self.status.status.step if step is None else step
        try:
            append_event(self.run.path, kind, step, words, facts)
        except OSError as error:
            print(f"events.jsonl cannot be written ({error}): {kind} at step {step}: {words}", file=sys.stderr)

    def obeyed(self, request: JobRequest, words: str, step: int, **facts: Any) -> None:
        """Record that a request was done."""
        about = {"request": request.name, "asked": request.kind, "key": request.key, "value": request.value}
        self.event("obeyed", words, step=step, **about, **facts)

    def refused(self, request: JobRequest, why: str, step: int) -> None:
        """Record that a request was not done, and why."""
        about = {"request": request.name, "asked": request.kind, "key": request.key, "value": request.value}
        self.event("refused", why, step=step, **about)

    def new_requests(self) -> list[JobRequest]:
        """The requests since the last time. Where the disk cannot be read, the next step tries again."""
        try:
            return self.inbox.take_new()
        except OSError as error:
            if not self._event_failed:
                print(f"requests cannot be read: {error}", file=sys.stderr, flush=True)
            self._event_failed = True
            return []

    def refuse_stale_requests(self, started: float) -> None:
        """Refuse requests to end that were asked before `started` (seconds since the epoch): the process that they
        meant is gone."""
        kept = []
        for request in self.new_requests():
            if request.kind in ENDING_REQUESTS and request.time < started:
                self.refused(request, "the process had ended before it could be done", self.status.status.step)
            else:
                kept.append(request.name)
        self.inbox.handled.difference_update(kept)

    def _handled_before(self) -> set[str]:
        names = (event.facts.get("request") for event in self.run.events()[0] if event.kind in ("obeyed", "refused"))
        return {name for name in names if isinstance(name, str)}

    def _end_now(self, signal_name: str) -> None:
        """The last word of a process that does not come to its next step. Called in the thread of the signals."""
        words = f"ended by {signal_name} at once: {self.resumable_words}"
        self.event("ended", words)
        self.status.end("paused", words)
        give_up_disk_reserve(self.run.path)
        sys.stderr.flush()
        os._exit(0)


def run_job(
    run: RunFolder, work: Callable[[JobProcess], None], explain: Callable[[BaseException], FailureCause]
) -> int:
    """Do `work` as the process of the job in `run`; returns the exit status. `work` writes the final status itself;
    where it raises, that is the failure that `explain` puts into words."""
    sys.stdout, sys.stderr = DiskFullSafeStream(sys.stdout), DiskFullSafeStream(sys.stderr)
    try:
        lock = take_job_lock(run.path)
    except SuironError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code  # nothing is written: the folder belongs to the other process
    except OSError as error:
        print(f"{run.path}: the folder cannot be written ({error.strerror}). Check the disk it is on.", file=sys.stderr)
        return RunError.exit_code
    with contextlib.suppress(OSError, ValueError):
        faulthandler.enable(sys.__stderr__)  # type: ignore[arg-type]
    keep_disk_reserve(run.path)
    try:
        return _work(run, work, explain)
    finally:
        give_up_disk_reserve(run.path)
        lock.release()
        run_on_end(run)


def _work(run: RunFolder, work: Callable[[JobProcess], None], explain: Callable[[BaseException], FailureCause]) -> int:
    with StatusReporter(run) as status:
        job = JobProcess(run, status)
        job.termination.catch_signals()
        try:
            work(job)
        except BaseException as error:  # for any error, the status must show that the job ended
            give_up_disk_reserve(run.path)  # so that the cause can be written, whatever it is
            traceback.print_exc()
            cause = explain(error)
            job.event("ended", cause.what, where=cause.where, do=cause.do)
            status.end("failed", cause.what, cause)
            return error.exit_code if isinstance(error, SuironError) else RunError.exit_code
    return 0
