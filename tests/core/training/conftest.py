"""A tiny model, a few rows, and two real runs of the training process that the tests share: each costs its imports
once."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec
import pytest

from core.runs.spec import RunSpec
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
