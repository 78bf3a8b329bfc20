"""A tiny model, a few rows, and two real runs of the training process that the tests share: each costs its imports
once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec
from tests.support.run_forks import EVERY, STEPS, ForkedRun, ForkServer
from tests.support.training_process import Process, make_spec


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, rows_file: Path, model_folder: Path) -> Process:
    """A run of three steps that has lost its terminal (HUP) and met a Ctrl-C on the way, and has ended."""
    process = Process(tmp_path_factory.mktemp("runs") / "trained", make_spec(rows_file, model_folder))
    process.until(lambda run: run.status().state == "loading")
    process.process.send_signal(signal.SIGHUP)
    process.process.send_signal(signal.SIGINT)
    assert process.end() == 0, process.log()
    return process


@pytest.fixture(scope="session")
def long_spec(rows_file: Path, model_folder: Path) -> RunSpec:
    """The same run, but for ever."""
    spec = make_spec(rows_file, model_folder, steps=100_000)
    return msgspec.structs.replace(spec, name="long")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    started = ForkServer(tmp_path_factory.mktemp("server"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def forked_spec(rows_file: Path, model_folder: Path) -> RunSpec:
    """8 rows in batches of 3, two batches a step: an epoch has a step of two batches and one of one."""
    made = make_spec(
        rows_file,
        model_folder,
        steps=STEPS,
        batch_size=3,
        gradient_accumulation=2,
        learning_rate=2e-3,
        save_steps=EVERY,
        dtype="float32",
        threads=1,
    )
    return msgspec.structs.replace(made, lora=msgspec.structs.replace(made.lora, dropout=0.1))


@pytest.fixture(scope="session")
def undisturbed(server: ForkServer, forked_spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of `forked_spec` that nothing happened to."""
    run = ForkedRun(server, tmp_path_factory.mktemp("runs") / "undisturbed", forked_spec)
    assert run.go() == 0, run.log()
    return run.run
