"""`fit` as programs and people meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.runs.spec import dump_run_spec
from tests.core.models.fit.model_folders import QWEN_7B, write_config
from tests.support.training_process import make_spec

KEYS = {"estimate_gib", "low_gib", "high_gib", "parts", "verdict", "free_gib", "changes"}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"SUIRON_{name}", str(tmp_path / name.lower()))
    return write_config(tmp_path / "model", QWEN_7B)


def fit(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["fit", *words])
    out, said = capfd.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, said


def record(capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    status, out, _ = fit(capfd, *words, "--json")
    assert status == 0
    read = json.loads(out)
    assert isinstance(read, dict)
    return read


def test_a_config_alone_has_an_estimate_in_parts(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    read = record(capfd, str(model), "--gpu", "L4")
    assert read.keys() >= KEYS
    assert sum(read["parts"].values()) == pytest.approx(read["estimate_gib"], abs=0.01)
    assert set(read["parts"]) == {
        *("weights", "adapters", "gradients", "optimizer", "activations", "logits", "overhead"),
    }
    assert read["low_gib"] <= read["estimate_gib"] <= read["high_gib"]
    assert (read["verdict"], read["changes"], read["tokens"], read["rows_known"]) == ("fits", [], 2048, 0)
    assert (read["backend"], read["bits"], read["from"]) == ("unsloth", 4, "config.json")


def test_what_does_not_fit_has_changes_that_do(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    read = record(capfd, str(model), "--gpu", "9GiB", "--backend", "transformers")
    assert read["verdict"] == "does not fit"
    for change in read["changes"]:
        assert change["verdict"] == "fits"
        assert change["estimate_gib"] < read["estimate_gib"]


def test_the_table_is_readable_in_80_columns(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = fit(capfd, str(model), "--gpu", "T4", "--backend", "transformers")
    assert status == 0
    lines = out.splitlines()
    assert all(len(line) <= 80 for line in lines[1:])  # the first is the model's name
    assert any(line.startswith("  estimate") for line in lines)


def test_a_specification_brings_its_settings_and_its_rows(
    model: Path, rows_file: Path, model_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "run.toml"
    spec.write_bytes(dump_run_spec(make_spec(rows_file, model_folder, batch_size=3)))
    read = record(capfd, str(spec))
    assert read["batch_size"] == 3 and read["rows_known"] == 8 and read["tokens"] < 2048
    assert read["from"] == "headers"
    other = record(capfd, str(model), str(spec), "--gpu", "H100")
    assert other["model"] == str(model) and other["tokens"] == read["tokens"]


def test_a_missing_table_of_rows_is_a_note_and_rows_count_as_full(
    model: Path, model_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "run.toml"
    spec.write_bytes(dump_run_spec(make_spec(tmp_path / "none.jsonl", model_folder)))
    status, out, said = fit(capfd, str(spec), "--json")
    assert status == 0 and json.loads(out)["tokens"] == 2048
    assert "rows cannot be read" in said


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("a.toml", "b.toml"), 2),
        (("MODEL", "--gpu", "abacus"), 2),
        (("MODEL", "--probe"), 2),
        (("/no/such/folder",), 4),
    ],
)
def test_what_cannot_be_answered_is_an_error_with_its_status(
    model: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], status: int
) -> None:
    ended, out, said = fit(capfd, *(word.replace("MODEL", str(model)) for word in words))
    assert ended == status and not out
    assert said.startswith("Suiron: ") and "Traceback" not in said


def test_a_probe_measures_and_the_next_estimate_rests_on_it(
    model: Path, rows_file: Path, model_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "run.toml"
    spec.write_bytes(dump_run_spec(make_spec(rows_file, model_folder, batch_size=4)))
    status, out, said = fit(capfd, str(spec), "--probe", "--json")
    assert status == 0 and "Measured: " in said
    read = json.loads(out)
    assert read["measured_runs"] == 1
    peak = json.loads((tmp_path / "home" / "peaks.jsonl").read_text())
    assert read["estimate_gib"] == pytest.approx(peak["peak"] / 2**30, abs=0.01)
    assert peak["batch_size"] == 4 and peak["run"] == ""
