"""Other programs get a copy of a run's numbers, and nothing that they do reaches the run."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec, ValidationSection
from core.training.number_mirror import MirrorTarget, NumberMirror
from tests.support.run_forks import STEPS, ForkedRun, ForkServer, adapter_hash, losses
from tests.support.training_process import make_spec

TRACKIO = """
import json

class Run:
    def __init__(self, **about):
        self.file = open("mirrored.jsonl", "a")
        self.keep(about)
    def keep(self, value):
        self.file.write(json.dumps(value) + "\\n")
    def log(self, numbers, step):
        self.keep({"step": step, **numbers})
    def finish(self):
        self.file.close()

init = Run
"""


def target(tmp_path: Path, from_step: int = 0) -> MirrorTarget:
    return MirrorTarget(RunFolder(tmp_path), make_spec("rows", "model"), from_step)


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    module = ModuleType(name)
    module.__dict__.update(members)
    monkeypatch.setitem(sys.modules, name, module)


def test_a_run_is_copied_with_its_sections_and_evaluations_and_does_not_notice(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path
) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "trackio.py").write_text(TRACKIO)
    runs = []
    for name, programs in (("copied", ("trackio",)), ("alone", ())):
        train = replace(forked_spec.train, report_to=programs)
        spec = replace(forked_spec, train=train, validation=ValidationSection(share=0.4, steps=6, seed=1))
        run = ForkedRun(server, tmp_path / name, spec)
        assert run.go(modules=str(modules)) == 0, run.log()
        runs.append(run.run)
    assert losses(runs[0]) == losses(runs[1]) and adapter_hash(runs[0]) == adapter_hash(runs[1])
    about, *lines = [json.loads(line) for line in (runs[0].path / "mirrored.jsonl").read_text().splitlines()]
    assert about["name"] == runs[0].id and about["config"]["lora"]["r"] == 4
    trained = {line["step"]: line for line in lines if "train/loss" in line}
    for metric in runs[0].metrics()[0]:
        copied = trained[metric.step]
        assert copied["train/loss"] == metric.loss and copied["train/loss_response"] == metric.loss_response
        assert copied["train/learning_rate"] == metric.learning_rate
    evaluated = {line["step"]: line["eval/loss"] for line in lines if "eval/loss" in line}
    events = [event for event in runs[0].events()[0] if event.kind == "evaluated"]
    assert evaluated == {event.step: event.facts["loss"] for event in events} and set(evaluated) == {6, STEPS}


def test_tensorboard_gets_scalars_and_drops_what_a_resumption_undid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[Any] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int | None) -> None:
            calls.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            calls.append((name, value, step))

        def close(self) -> None:
            calls.append("closed")

    fake(monkeypatch, "torch.utils.tensorboard", SummaryWriter=SummaryWriter)
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    told: list[str] = []
    mirror = NumberMirror(("tensorboard",), target(tmp_path, from_step=6), told.append)
    mirror.add(7, {"train/loss": 1.5, "train/loss_prompt": None})
    mirror.close(30)
    assert calls == [(str(tmp_path / "results" / "tensorboard"), 7), ("train/loss", 1.5, 7), "closed"]
    assert told == []


def test_a_program_that_fails_is_told_once_without_tokens_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "secret-secret")

    def refuse(**_: Any) -> None:
        raise PermissionError("not logged in with secret-secret\nand more")

    kept: list[int] = []
    run = SimpleNamespace(log=lambda numbers, step: kept.append(step), finish=lambda: None)
    fake(monkeypatch, "wandb", init=refuse)
    fake(monkeypatch, "trackio", init=lambda **_: run)
    told: list[str] = []
    mirror = NumberMirror(("wandb", "trackio"), target(tmp_path), told.append)
    for step in range(20):
        mirror.add(step, {"train/loss": 1.0})
    mirror.close(30)
    assert told == ["wandb gets no numbers of this run any more: PermissionError: not logged in with ..."]
    assert kept == list(range(20))


def test_a_program_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    never = threading.Event()
    fake(monkeypatch, "wandb", init=lambda **_: never.wait())
    told: list[str] = []
    mirror = NumberMirror(("wandb",), target(tmp_path), told.append)
    for step in range(10_500):  # more than may wait
        mirror.add(step, {"train/loss": 1.0})
    mirror.close(0.0)
    never.set()
    assert told == ["wandb did not take the last 10500 numbers in time"]
