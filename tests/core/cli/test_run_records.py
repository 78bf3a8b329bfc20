"""`runs compare`, `note`, `rename`, `trash` and `restore` from the command line."""

from __future__ import annotations

import json

import pytest

from core.base.command_output import CommandOutput
from core.base.errors import SuironError
from core.cli import build_parser, runs
from core.runs.notes import read_notes
from core.runs.run_folder import list_runs
from tests.support.run_folders import ended_run, spec_of


def call(*words: str, as_json: bool = True) -> None:
    runs.run(build_parser().parse_args(["runs", *words]), CommandOutput(json=as_json))


def test_two_runs_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = ended_run(1, spec_of(r=8)), ended_run(2, spec_of(r=64), evaluated=0.5)
    call("compare", one.id, two.id)
    found = json.loads(capsys.readouterr().out)
    assert found["differ"] == [{"key": "lora.r", "texts": ["8", "64"]}]
    assert [run["loss"] for run in found["runs"]][1] == 0.5
    call("compare", one.id, two.id, as_json=False)
    assert "lora.r: 8 | 64" in capsys.readouterr().out


def test_notes_and_names(capsys: pytest.CaptureFixture[str]) -> None:
    run = ended_run(1)
    call("note", run.id, "the", "reasoning", "helps", "--verdict", "good")
    call("rename", run.id, "推論", "85 %")
    notes = read_notes(run.path)
    assert (notes.name, notes.verdict, notes.note) == ("推論 85 %", "good", "the reasoning helps")
    call(as_json=False)
    assert "推論 85 %" in capsys.readouterr().out


def test_the_trash_and_back(capsys: pytest.CaptureFixture[str]) -> None:
    run = ended_run(1)
    call("trash", run.id)
    assert list_runs() == []
    capsys.readouterr()
    call("trash")
    assert json.loads(capsys.readouterr().out)["run"] == run.id
    call("restore", run.id)
    assert [each.id for each in list_runs()] == [run.id]


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "last"),
        ("note", "last"),
        ("note", "last", "x", "--verdict", "fine"),
        ("rename", "last"),
        ("restore",),
        ("restore", "nothing"),
        ("trash", "nothing"),
    ],
)
def test_nonsense_says_what_to_do(words: tuple[str, ...]) -> None:
    ended_run(1)
    with pytest.raises(SuironError) as caught:
        call(*words)
    assert caught.value.do
