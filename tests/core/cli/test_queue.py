"""`queue`, and `train` with `--queue`, `--grid` and `--sbatch`, with stand-ins for the processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.base.command_output import CommandOutput
from core.base.errors import RunError, SuironError, UsageError
from core.cli import build_parser, queue, runs, train
from core.runs import launch
from core.runs.queue import read_queue
from core.runs.queue_tickets import read_tickets
from core.runs.run_folder import RunFolder, find_run, list_runs
from core.runs.status_file import RunStatus

SPEC = 'name = "mine"\n[data]\nsource = "demo"\n[model]\nname = "demo"\nload_in_4bit = false\n'


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with a specification. Runs are put into the queue, and no process waits."""

    def no_process(run: RunFolder, *_: object) -> None:
        pass

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(launch, "_start_waiting_process", no_process)
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return str(path)


def call(*words: str, json: bool = False) -> None:
    parsed = build_parser().parse_args(list(words))
    command = {"train": train, "queue": queue, "runs": runs}[words[0]]
    command.run(parsed, CommandOutput(json=json))


def test_a_run_is_put_into_the_queue_listed_moved_and_taken_out(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    call("queue")
    assert "Nothing works or waits" in capsys.readouterr().err
    call("train", spec, "--grid", "lora.r=8,16,32")
    ids = capsys.readouterr().out.split()
    assert [entry.run for entry in read_queue()] == ids and "mine-r-8" in ids[0]
    call("queue", "move", ids[2], "first")
    assert f"{ids[2]}: next in the queue for the CPU." in capsys.readouterr().err
    call("queue", "move", ids[2], "up")
    assert "stays where it is" in capsys.readouterr().err
    call("queue", "remove", ids[0])
    capsys.readouterr()
    call("queue", "list", json=True)
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(entry["run"], entry["place"], entry["after"]) for entry in entries] == [
        (ids[2], 1, ""),
        (ids[1], 2, ids[2]),
    ]
    call("queue")
    assert f"2nd in the queue for the CPU, after {ids[2]}" in capsys.readouterr().out
    call("queue", "restart")
    assert "0 runs" in capsys.readouterr().err


def test_the_same_command_again_leaves_queued_runs_alone(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        call("train", spec, "--grid", "lora.r=8,16", "--resume", "auto")
    assert len(list_runs()) == len(read_tickets()) == 2
    assert capsys.readouterr().err.count("It is running.") == 2


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("train", "SPEC", "--gpu", "0"), "go with --queue"),
        (("train", "SPEC", "--wait-memory", "3"), "go with --queue"),
        (("train", "SPEC", "--queue", "--wait-memory", "-3"), "above 0"),
        (("train", "SPEC", "--queue", "--gpu", "0"), "no GPU is visible"),
        (("train", "SPEC", "--grid", "lora.r=8,16", "--follow"), "cannot be followed"),
        (("train", "SPEC", "--grid", "lora.r=8,0"), "lora.r"),
        (("train", "SPEC", "--grid", "train.optim=auto,adamw_8bit"), "needs CUDA"),
        (("train", "SPEC", "--sbatch", "--queue"), "starts and queues nothing"),
        (("queue", "mov", "x", "up"), "no `queue mov`"),
        (("queue", "move", "x"), "takes 2 more"),
        (("queue", "remove"), "takes 1 more"),
        (("queue", "remove", "x"), "no such run"),
    ],
)
def test_nonsense_is_refused_before_anything_is_queued(spec: str, words: tuple[str, ...], what: str) -> None:
    with pytest.raises(SuironError) as caught:
        call(*(spec if word == "SPEC" else word for word in words))
    assert what in str(caught.value) and caught.value.do
    assert isinstance(caught.value, UsageError | RunError)
    assert list_runs() == [] and read_tickets() == []


def test_a_run_cannot_be_moved_anywhere_else(spec: str) -> None:
    call("train", spec, "--queue")
    with pytest.raises(UsageError, match="'back'"):
        call("queue", "move", "last", "back")


def test_a_run_that_has_ended_goes_on_at_its_turn(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    call("train", spec, "--grid", "lora.r=8,16")
    first, second = (find_run(name) for name in capsys.readouterr().out.split())
    first.write_status(RunStatus("paused", over=True))
    call("queue")
    said = capsys.readouterr()
    assert "interrupted" in said.out and "queue restart" in said.err
    call("runs", "resume", first.id, "--queue")
    assert "from its first step, at its turn." in capsys.readouterr().err
    assert [(entry.run, entry.state) for entry in read_queue()] == [(first.id, "waiting"), (second.id, "waiting")]


def test_a_script_for_slurm_is_printed_and_nothing_started(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    call("train", spec, "--sbatch", "--force")
    script = capsys.readouterr().out
    assert (
        script.startswith("#!/bin/bash\n#SBATCH --job-name=mine\n") and f"train {spec} --resume auto --force" in script
    )
    assert list_runs() == []
