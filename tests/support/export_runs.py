"""A training run that has ended, made by hand: its folder, adapter, facts and rows; and exports of it in this
process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.base.errors import SuironError
from core.export.export_job import ExportJob
from core.export.export_spec import ExportSpec, dump_export_spec
from core.models.fingerprint import model_fingerprint
from core.runs.checkpoint_folders import AdapterOrigin, write_folder_whole
from core.runs.facts_file import write_facts
from core.runs.process import JobProcess
from core.runs.run_folder import RunFolder, create_job_folder, create_run_folder
from core.runs.spec import DataSection, ModelSection, RunSpec
from core.runs.status_file import RunStatus
from core.runs.status_reporter import StatusReporter
from tests.support.export_models import make_adapter

QUESTIONS = 6


def make_rows(path: Path, flags: tuple[str, ...] = ("train", "test")) -> Path:
    rows = [
        {
            "instruction": f"What is {number} + 1? {flag}",
            "input": "",
            "reasoning": f"One more than {number}.",
            "output": str(number + 1),
            "syslang": "English",
            "sysflag": flag,
        }
        for number in range(QUESTIONS)
        for flag in flags
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def make_run(model: Path, rows: Path, *, name: str = "tiny one", adapter: bool = True, **facts: Any) -> RunFolder:
    """A run on `model` that has finished. facts: added to those of every run."""
    run = create_run_folder(RunSpec(name=name, data=DataSection(source=str(rows)), model=ModelSection(name=str(model))))
    fingerprint = model_fingerprint(model)
    made = {"model_fingerprint": fingerprint, "data_fingerprint": "rows-1", "dtype": "bfloat16", "rows_trained": 6}
    write_facts(run.path, {**made, "versions": {"peft": "1"}, "four_bit": False, **facts})
    if adapter:
        about = AdapterOrigin(str(model), str(model), run.id, 3, fingerprint)

        def fill(part: Path) -> None:
            make_adapter(part, model)

        write_folder_whole(run.adapter, fill, about, "adapter")
    run.write_status(RunStatus(state="finished", step=3, total=3, over=True))
    return run


def export_here(run: RunFolder, out: Path, to: str, *, before: Any = None, **settings: Any) -> RunFolder:
    """Export in this process; the job's folder. before: called with the job before it begins. Raises what ends it."""
    spec = msgspec.convert({"run": run.id, "to": to, "out": str(out), "check": QUESTIONS, **settings}, ExportSpec)
    job = create_job_folder("export", dump_export_spec(spec))
    if before is not None:
        before(job)
    with StatusReporter(job) as status:
        ExportJob(JobProcess(job, status), spec).run()
    return job


def refused(run: RunFolder, out: Path, to: str, **settings: Any) -> SuironError:
    """The error with three parts that refuses an export."""
    with pytest.raises(SuironError) as caught:
        export_here(run, out, to, **settings)
    assert caught.value.what
    assert caught.value.where
    assert caught.value.do
    return caught.value
