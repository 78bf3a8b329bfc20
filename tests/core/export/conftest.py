"""A tiny model in 16 bit, rows, and a run on them, in the home of each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.runs.run_folder import RunFolder
from tests.support.export_models import make_model
from tests.support.export_runs import make_rows, make_run


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_model(tmp_path_factory.mktemp("export") / "model", "qwen2", dtype="bfloat16")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n", encoding="utf-8")
    (folder / "LICENSE").write_text("The licence's words.\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl")


@pytest.fixture
def run(base: Path, rows: Path) -> RunFolder:
    return make_run(base, rows)
