"""What a tuned model keeps of its run, and that every run with an adapter can be asked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.models.load_form import OWN_FORM, LoadForm, TrainedBase
from core.runs.checkpoint_folders import CHECKPOINT_NEEDED, AdapterOrigin, checkpoint_folder, write_folder_whole
from core.runs.facts_file import write_facts
from core.runs.run_folder import create_run_folder
from core.runs.spec import DataSection, ModelSection, RunSpec, TrainSection
from core.runs.tuned_models import (
    list_tuned_models,
    run_chat_date,
    run_load_form,
    run_template_folder,
    run_trained_base,
)

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


def run_with(trust: bool = False, **facts: object) -> Path:
    model = ModelSection(name="owner/base", load_in_4bit=True, trust_remote_code=trust)
    run = create_run_folder(RunSpec(data=DataSection(source="demo"), model=model, train=TrainSection(dtype="float32")))
    if facts:
        write_facts(run.path, dict(facts))
    return run.adapter


def test_the_base_of_an_adapter_is_loaded_as_it_was_trained() -> None:
    assert run_load_form(run_with()) == LoadForm(four_bit=True, dtype="float32")
    assert run_load_form(run_with(four_bit=False)) == LoadForm(four_bit=False, dtype="float32")
    assert run_load_form(run_with(trust=True, four_bit="yes")).trust_remote_code


def test_of_an_adapter_without_a_run_the_base_has_its_own_form(tmp_path: Path) -> None:
    assert run_load_form(tmp_path / "adapter") == OWN_FORM
    assert run_trained_base(tmp_path / "adapter") is None


def test_a_run_from_elsewhere_cannot_ask_for_trust(tmp_path: Path) -> None:
    shutil.copytree(run_with(trust=True).parent, tmp_path / "copied")
    assert not run_load_form(tmp_path / "copied" / "adapter").trust_remote_code


def test_the_base_of_an_adapter_is_that_of_its_mark_else_of_its_run(tmp_path: Path) -> None:
    adapter = run_with(model="owner/base", model_fingerprint="2-ab")
    assert run_trained_base(adapter) == TrainedBase("owner/base", "2-ab")
    write(adapter)  # its mark says no fingerprint
    assert run_trained_base(adapter) == TrainedBase("owner/base", "2-ab")
    write_folder_whole(adapter, lambda _: None, AdapterOrigin("demo", "", "run", 1, "f" * 32), "adapter")
    assert run_trained_base(adapter) == TrainedBase("demo", "f" * 32)
