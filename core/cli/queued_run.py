"""`python -m core.cli.queued_run RUN_FOLDER`: the process of a run that waits in the queue. At its turn it becomes the
process that trains: same id, same console, and its lock is dropped at the moment when it does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core.base.errors import SuironError
from core.cli.engine_memory import EngineOfThisHome
from core.runs.launch import job_command
from core.runs.process import JobProcess, run_job
from core.runs.queue_wait import QueueWait
from core.runs.run_folder import RunFolder
from core.runs.status_file import FailureCause


def main(arguments: list[str]) -> int:
    """The exit status of a run that ends before its turn; at its turn this does not return."""
    if len(arguments) != 1 or not (Path(arguments[0]) / "run.toml").is_file():
        print("usage: python -m core.cli.queued_run RUN_FOLDER", file=sys.stderr)
        return 2
    run = RunFolder(Path(arguments[0]).absolute())

    def work(job: JobProcess) -> None:
        ticket = QueueWait(job, EngineOfThisHome()).until_turn()
        if ticket is None:
            return
        command = job_command(run, *ticket.options)
        job.status.hand_over("it is its turn")
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(command[0], command)  # descriptors are closed with it, the lock's among them

    return run_job(run, work, lambda error: _cause(error, run.id))


def _cause(error: BaseException, run_id: str) -> FailureCause:
    if isinstance(error, SuironError):
        return FailureCause(error.what, error.where or run_id, error.do)
    return FailureCause(
        f"the run ended while it waited ({error!r})", run_id, "See its console.log, then start it again"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
