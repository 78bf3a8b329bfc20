"""`python -m core.training RUN_FOLDER [--accept-changes]`: the process of a training run, without a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from core.runs.checkpoint_folders import checkpoint_step
from core.runs.process import JobProcess, run_job
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec
from core.runs.status_file import FailureCause
from core.training.failure_causes import failure_cause
from core.training.train_job import EndedBeforeFirstStep, TrainJob


def main(arguments: list[str]) -> int:
    """The exit status: 0 for a run that ended as it should, or as was asked, else the error's."""
    options = arguments[1:]
    if not arguments or options not in ([], ["--accept-changes"]) or not (Path(arguments[0]) / "run.toml").is_file():
        print("usage: python -m core.training RUN_FOLDER [--accept-changes]", file=sys.stderr)
        return 2
    run = RunFolder(Path(arguments[0]).absolute())
    spec: RunSpec | None = None

    def work(job: JobProcess) -> None:
        nonlocal spec
        spec = run.spec()
        try:
            TrainJob(job, spec, accept_changes=bool(options)).run()
        except EndedBeforeFirstStep:
            return

    def explain(error: BaseException) -> FailureCause:
        checkpoint = run.checkpoint()
        step = 0 if checkpoint is None else checkpoint_step(checkpoint)
        return failure_cause(error, spec, run.id, run.facts(), step)

    return run_job(run, work, explain)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
