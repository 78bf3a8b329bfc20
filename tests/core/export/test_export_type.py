"""The number format of merged weights that nobody named: float16 where the run's numbers fit, else the base model's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from core.export.asked_model import largest_activation
from core.export.export_result import ExportResult, read_result
from core.runs.run_folder import RunFolder
from tests.support.export_models import copied
from tests.support.export_runs import export_here, make_run


def exported(run: RunFolder, out: Path, **settings: object) -> ExportResult:
    result = read_result(export_here(run, out, "merged", **settings).path)
    assert result is not None
    config = json.loads((out / "config.json").read_text("utf-8"))
    names = {"f16": "float16", "bf16": "bfloat16", "f32": "float32"}
    assert config.get("dtype", config.get("torch_dtype")) == names[result.type]
    assert f"Number format: {result.type}." in (out / "README.md").read_text("utf-8")
    assert sorted(path.name for path in out.parent.iterdir() if path.name.startswith("out")) == ["out"]
    return result


def test_float16_is_taken_where_the_numbers_fit(run: RunFolder, tmp_path: Path) -> None:
    result = exported(run, tmp_path / "out")
    assert result.type == "f16"
    assert any("--type bf16" in remark for remark in result.remarks)
    named = exported(run, tmp_path / "out", type="bf16", overwrite=True)
    near, far = result.agreements["exported"], named.agreements["exported"]
    assert near.equal >= far.equal
    assert near.mean_kl is not None
    assert far.mean_kl is not None
    assert near.mean_kl < far.mean_kl / 4  # three bits more


def test_the_base_models_format_is_taken_where_layers_leave_float16(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.export.run_comparison._SHARE_OF_F16", 1e-9)
    result = exported(run, tmp_path / "out")
    assert result.type == "bf16"
    assert "exported" in result.agreements
    assert any("were seen in its layers" in remark for remark in result.remarks)


def test_the_base_models_format_is_taken_where_a_weight_leaves_float16(base: Path, rows: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = copied(base, tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.embed_tokens.weight"][-1] = 1e5  # of a token that no text has
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    result = exported(make_run(model, rows), tmp_path / "out")
    assert result.type == "bf16"
    assert any("no finite number in float16" in remark for remark in result.remarks)


def test_the_base_models_format_is_taken_where_nobody_looked(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exported(run, tmp_path / "out", check=0).type == "bf16"
    with monkeypatch.context() as patched:
        patched.setattr("core.export.exported_models.choose_place", lambda _: "it does not fit")
        assert exported(run, tmp_path / "out", overwrite=True).type == "bf16"

    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("core.export.exported_models.load_folder", fails)
    result = exported(run, tmp_path / "out", overwrite=True)
    assert result.type == "bf16"
    assert "asking it failed" in result.not_checked


def test_the_largest_number_is_seen_inside_and_between_layers() -> None:
    class Scale(torch.nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, value: torch.Tensor) -> torch.Tensor:
            return value * self.factor

    model = torch.nn.Sequential(Scale(-100.0), Scale(0.01))
    with largest_activation(model) as largest:
        model(torch.tensor([1.0, 3.0]))
    assert largest() == 300.0
    model(torch.tensor([1000.0]))
    assert largest() == 300.0  # not watched any more
    with largest_activation(model) as largest:
        model(torch.tensor([float("nan")]))
    assert largest() == float("inf")
