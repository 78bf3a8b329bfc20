"""`python -m core.export JOB_FOLDER`: the process of an export, without a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from core.base.cpu_cores import numpy_on_one_core
from core.export.export_spec import load_export_spec
from core.runs.process import JobProcess, run_job
from core.runs.run_folder import RunFolder
from core.runs.status_file import FailureCause
from core.training.failure_causes import failure_cause


def main(arguments: list[str]) -> int:
    """The exit status: 0 for an export that ended as it should, or as was asked, else the error's."""
    if len(arguments) != 1 or not (Path(arguments[0]) / "run.toml").is_file():
        print("usage: python -m core.export JOB_FOLDER", file=sys.stderr)
        return 2
    folder = RunFolder(Path(arguments[0]).absolute())

    numpy_on_one_core()

    def work(job: JobProcess) -> None:
        from core.export.export_job import ExportJob

        job.resumable_words = "nothing half-made counts; start the export again"
        ExportJob(job, load_export_spec(folder.path / "run.toml")).run()

    def explain(error: BaseException) -> FailureCause:
        return failure_cause(error, None, folder.id)

    return run_job(folder, work, explain)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
