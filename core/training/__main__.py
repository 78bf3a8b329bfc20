"""`python -m core.training RUN_FOLDER [--accept-changes]`: the process of a training run, without a terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core.base.errors import SuironError
from core.runs.checkpoint_folders import checkpoint_step
from core.runs.process import JobProcess, run_job
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec
from core.runs.status_file import FailureCause
from core.training.failure_causes import failure_cause
from core.training.rank_job import run_rank
from core.training.rank_place import RankPlace, find_rank_place, forget_launcher
from core.training.rank_processes import RankProcesses, is_from_another
from core.training.train_job import EndedBeforeFirstStep, TrainJob


def main(arguments: list[str]) -> int:
    """The exit status: 0 for a run that ended as it should, or as was asked, else the error's."""
    options = arguments[1:]
    if not arguments or options not in ([], ["--accept-changes"]) or not (Path(arguments[0]) / "run.toml").is_file():
        print("usage: python -m core.training RUN_FOLDER [--accept-changes]", file=sys.stderr)
        return 2
    run = RunFolder(Path(arguments[0]).absolute())
    spec: RunSpec | None = None
    processes: RankProcesses | None = None
    place = _place(run)

    def work(job: JobProcess) -> None:
        nonlocal spec, processes
        spec = run.spec()
        if isinstance(place, SuironError):
            raise place
        processes = RankProcesses(job, place)
        try:
            with processes:
                TrainJob(job, spec, accept_changes=bool(options), place=place, processes=processes).run()
        except EndedBeforeFirstStep:
            return

    def explain(error: BaseException) -> FailureCause:
        if processes is not None and processes.death is not None and is_from_another(error):
            return processes.death
        checkpoint = run.checkpoint()
        step = 0 if checkpoint is None else checkpoint_step(checkpoint)
        return failure_cause(error, spec, run.id, run.facts(), step)

    if isinstance(place, RankPlace) and place.rank:
        return run_rank(run, work, explain)
    return run_job(run, work, explain)


def _place(run: RunFolder) -> RankPlace | SuironError:
    """Which rank this process is, or why that is not known."""
    try:
        return find_rank_place(run.spec().train, os.environ)
    except SuironError as error:
        return error
    finally:
        forget_launcher(os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
