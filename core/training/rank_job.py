"""A rank other than the first, as the process of a job: it follows rank 0 and never writes into the run's folder."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from core.base.errors import RunError, SuironError
from core.runs.job_requests import JobRequest, RequestInbox
from core.runs.process import JobProcess
from core.runs.run_folder import RunFolder
from core.runs.status_file import FailureCause, RunStatus
from core.runs.status_reporter import StatusReporter
from core.runs.termination import Termination
from core.training.rank_place import STARTED_BY_FIRST
from core.training.rank_processes import SECONDS_TO_EXPLAIN, end_with_parent


class SilentStatus(StatusReporter):
    """Keeps the status in memory."""

    def __init__(self) -> None:
        self._lock, self._over = threading.Lock(), threading.Event()
        self._status = RunStatus(state="starting")

    def _write(self, changes: dict[str, Any]) -> bool:
        return True


class RankJob(JobProcess):
    """What a `JobProcess` has, without its folder's files. A signal does not end it by itself: rank 0 decides."""

    writes = False

    def __init__(self, run: RunFolder) -> None:
        self.run, self.status = run, SilentStatus()
        self.termination = Termination(lambda signal_name: None)
        self.started_before = False
        self.inbox = RequestInbox(run.path)
        self.resumable_words = ""

    def event(self, kind: str, words: str, *, step: int | None = None, **facts: Any) -> None:
        """Rank 0 writes it."""

    def new_requests(self) -> list[JobRequest]:
        """Rank 0 tells them."""
        return []


def run_rank(
    run: RunFolder, work: Callable[[JobProcess], None], explain: Callable[[BaseException], FailureCause]
) -> int:
    """Do `work` as a rank other than the first; the exit status. What ends it is printed, for rank 0 to read."""
    faulthandler.enable()
    if os.environ.pop(STARTED_BY_FIRST, ""):
        end_with_parent()
    job = RankJob(run)
    job.termination.catch_signals()
    try:
        work(job)
    except BaseException as error:
        from core.training.ranks import RanksLost

        traceback.print_exc()
        cause = explain(error)
        print(f"{cause.where}: {cause.what}. {cause.do}", file=sys.stderr, flush=True)
        if isinstance(error, RanksLost):
            time.sleep(SECONDS_TO_EXPLAIN)  # the rank that is gone ended first
        return error.exit_code if isinstance(error, SuironError) else RunError.exit_code
    return 0
