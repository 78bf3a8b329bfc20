"""`runs`: listing, steering and resuming from the command line, on run folders that the test writes as a run does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.base.command_output import CommandOutput
from core.base.errors import SuironError, UsageError
from core.cli import build_parser, runs
from core.runs import launch
from core.runs.events_file import append_event
from core.runs.job_lock import take_job_lock
from core.runs.metrics_file import ResumedAt, StepMetric
from core.runs.run_folder import RunFolder, create_run_folder
from core.runs.samples_file import ProbeAnswer, ProbeQuestion, append_sample
from core.runs.spec import DataSection, ModelSection, RunSpec
from core.runs.status_file import RunStatus
from tests.core.cli.test_cli import run as command

SPEC = RunSpec(data=DataSection(source="demo"), model=ModelSection(name="demo"))


@pytest.fixture
def works() -> Iterator[RunFolder]:
    """A run whose process is this one."""
    run = create_run_folder(SPEC)
    lock = take_job_lock(run.path)
    run.write_status(RunStatus("training", pid=1, step=3, total=9))
    yield run
    lock.release()


def call(*words: str) -> None:
    runs.run(build_parser().parse_args(["runs", *words]), CommandOutput(json=True))


def test_requests_reach_a_run_that_works(works: RunFolder) -> None:
    for words in (("pause",), ("rate", "0.5"), ("set", "train.save_steps", "20"), ("evaluate",), ("discard",)):
        if words == ("evaluate",):
            with pytest.raises(UsageError, match="no rows are kept out"):
                call("control", works.id, *words)
        else:
            call("control", works.id, *words)
    call("last", "--stop")
    asked = [(request.kind, request.key, request.value) for request in works.requests()]
    assert asked == [
        ("pause", "", None),
        ("rate", "", 0.5),
        ("set", "train.save_steps", 20),
        ("discard", "", None),
        ("stop", "", None),
    ]
    assert all(request.host and request.time for request in works.requests())


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("control",), "a run and a request are needed"),
        (("control", "last"), "a run and a request are needed"),
        (("control", "last", "pauze"), "pauze"),
        (("control", "last", "pause", "now"), "takes 0 more"),
        (("control", "last", "rate"), "takes 1 more"),
        (("control", "last", "rate", "fast"), "the factor of the rate"),
        (("control", "last", "set", "train.steps", "3"), "train.steps cannot be changed"),
        (("control", "nothing", "pause"), "no such run"),
        (("resume",), "one run is needed"),
        (("resume", "last"), "the run is training"),
        (("last", "first"), "one run at a time"),
        (("--events",), "no run given"),
    ],
)
def test_nonsense_is_refused_at_once(works: RunFolder, words: tuple[str, ...], what: str) -> None:
    with pytest.raises(SuironError) as caught:
        call(*words)
    assert what in caught.value.what and caught.value.do
    assert works.requests() == []


def test_a_run_that_has_ended_hears_only_what_it_can_do_later(capsys: pytest.CaptureFixture[str]) -> None:
    run = create_run_folder(SPEC)
    run.write_status(RunStatus("paused", step=3, total=9, over=True))
    call("control", "last", "pause")
    assert run.requests() == [] and "has already ended (paused)" in capsys.readouterr().err
    call("control", "last", "rate", "0.5")
    assert [request.kind for request in run.requests()] == ["rate"]
    assert "when it is resumed" in capsys.readouterr().err


def test_resuming_says_from_where(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run = create_run_folder(SPEC)
    run.write_status(RunStatus("paused", step=3, total=9, over=True))
    asked: list[str] = []
    monkeypatch.setattr(launch, "_start_process", lambda run, *options: asked.extend((run.id, *options)))
    call("resume", "last", "--accept-changes")
    assert asked == [run.id, "--accept-changes"]
    assert "It goes on from its first step." in capsys.readouterr().err


def test_everything_of_a_run_is_listed_and_shown(tmp_path: Path, works: RunFolder) -> None:
    for line in (StepMetric(1, 1.0, 3.0), StepMetric(2, 2.0, 2.5), ResumedAt(1, 3.0), StepMetric(2, 4.0, 2.0)):
        works.append_metric(line)
    append_event(works.path, "resumed", 1, "goes on from step 1")
    other = create_run_folder(SPEC)
    (other.path / "run.toml").write_text('format = 2\nkind = "evaluate"\n')
    (other.path / "status.json").write_text('{"state": "grading", "over": true, "colour": "red"}')
    status, out, _ = command("runs")
    assert status == 0 and "grading" in out and "evaluate" in out and f"{works.id}  training  3/9" in out
    status, out, _ = command("runs", other.id, "--json")
    shown = json.loads(out)
    assert status == 0 and (shown["kind"], shown["status"]["state"]) == ("evaluate", "grading")
    status, out, _ = command("runs", works.id, "--metrics", "--json")
    assert [json.loads(line)["loss"] for line in out.splitlines()] == [3.0, 2.0]
    status, out, _ = command("runs", works.id, "--events")
    assert out.split() == ["1", "resumed", "goes", "on", "from", "step", "1"]
    status, out, _ = command("runs", works.id)
    assert status == 0 and "loss     3.0 at step 1, 2.0 at step 2" in out and 'kind = "train"' in out


def test_train_with_resume_takes_no_other_word(tmp_path: Path) -> None:
    status, _, said = command("train", str(tmp_path / "spec.toml"), "--resume", "always")
    assert status == 2 and "auto" in said


def test_samples_are_printed_with_what_changed(works: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    runs.run(build_parser().parse_args(["runs", works.id, "--samples"]), CommandOutput(json=False))
    assert f"runs control {works.id} sample" in capsys.readouterr().err
    append_sample(works.path, ProbeQuestion(id="a", instruction="3 + 1?", row=4, source="test", expected="4"))
    for step, response in ((0, "It is five."), (9, "It is four.\x1b[2J")):
        line = ProbeAnswer(step=step, question="a", reasoning="", response=response, finish="end", tokens=3)
        append_sample(works.path, line)
    runs.run(build_parser().parse_args(["runs", works.id, "--samples"]), CommandOutput(json=False))
    out = capsys.readouterr().out
    assert "=== row 4, test" in out and "--- expected\n4" in out and "response at step 9: 3 tokens, end" in out
    assert "response since step 0\nIt is [-five-]{+four+}." in out and "\x1b" not in out
    call(works.id, "--samples")
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [next(key for key in record if key != "run") for record in records] == [
        "question",
        "answer",
        "answer",
        "change",
    ]
    assert records[3]["change"]["from_step"] == 0 and records[3]["change"]["response"][:2] == [
        [" ", "It is "],
        ["-", "five"],
    ]


def test_a_sample_is_asked_for(works: RunFolder) -> None:
    call("control", works.id, "sample")
    call("control", works.id, "set", "samples.steps", "25")
    assert [(request.kind, request.value) for request in works.requests()] == [("sample", None), ("set", 25)]
