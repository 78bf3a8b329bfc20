"""The process of a run that waits, as it is, except that it looks more often and that what it becomes trains
nothing."""

from __future__ import annotations

import sys

from core.cli import queued_run
from core.runs import launch, queue_wait

launch.JOB_MODULES["train"] = "tests.support.fake_training"
queue_wait.POLL_SECONDS = 0.02

if __name__ == "__main__":
    sys.exit(queued_run.main(sys.argv[1:]))
