"""What a tuned model keeps of its run, and that every run with an adapter can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.runs.checkpoint_folders import CHECKPOINT_NEEDED, AdapterOrigin, checkpoint_folder, write_folder_whole
from core.runs.facts_file import write_facts
from core.runs.run_folder import create_run_folder
from core.runs.spec import DataSection, ModelSection, RunSpec
from core.runs.tuned_models import list_tuned_models, run_chat_date, run_template_folder

SPEC = RunSpec(data=DataSection(source="demo"), model=ModelSection(name="demo"))


@pytest.mark.parametrize(("fact", "day"), [("2026-03-04", "2026-03-04"), ("", ""), (4, ""), ("yesterday", "")])
def test_the_date_is_that_of_the_run(fact: object, day: str) -> None:
    run = create_run_folder(SPEC)
    write_facts(run.path, {"chat_template_date": fact})
    assert run_chat_date(run.adapter) == day


def test_a_folder_that_is_no_run_has_none(tmp_path: Path) -> None:
    assert run_chat_date(tmp_path / "adapter") == ""


def write(folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)

    def fill(part: Path) -> None:
        for name in CHECKPOINT_NEEDED:
            (part / name).write_text("{}")

    write_folder_whole(folder, fill, AdapterOrigin("demo", "", "run", 1), "checkpoint")


def test_a_run_is_asked_with_its_checkpoint_until_its_adapter_is_there() -> None:
    run = create_run_folder(SPEC)
    assert list_tuned_models("demo") == [] and run.newest_adapter() is None
    for step in (2, 4):
        write(checkpoint_folder(run.path, step))
    (checkpoint_folder(run.path, 4) / "optimizer.pt").unlink()  # not whole
    (model,) = list_tuned_models("demo")
    assert model.adapter == str(checkpoint_folder(run.path, 2))
    assert run_template_folder(model.adapter) == run.path / "templates"
    write(run.adapter)
    (model,) = list_tuned_models("demo")
    assert model.adapter == str(run.adapter) and run_template_folder(model.adapter) == run.path / "templates"
