"""A tiny model, a few rows, and two real runs of the training process that the tests share: each costs its imports once."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import msgspec
import pytest

from core.runs.spec import RunSpec
from tests.support.tiny_model import make_tiny_model
from tests.support.training_process import ROWS, TEST_WORD, Process, make_spec


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("training") / "model")


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = []
    for number in range(ROWS):
        question = {"instruction": f"What is {number} + 1?", "input": "", "reasoning": f"One more than {number}.", "output": str(number + 1)}
        rows.append({**question, "syslang": "English", "sysflag": "train"})
        rows.append({**question, "instruction": f"{TEST_WORD} {number}", "syslang": "English", "sysflag": "test"})
    rows[0]["reasoning"] = "  "
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


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
