"""Loading for answers: the tiny model, with and without adapters, and what is said where one does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.base.errors import ModelError
from core.models import checked_model
from core.models.fit.free_memory import DeviceMemory
from core.models.loading import LoadedModel, attach_adapter, load_for_inference
from tests.support.tiny_model import make_tiny_adapter, make_tiny_model


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("loading") / "model")


def scores(loaded: LoadedModel) -> list[float]:
    import torch

    ids, _ = loaded.tokenizer.encode("What is 3 + 4?")
    with torch.inference_mode():
        return [float(score) for score in loaded.model(torch.tensor([ids])).logits[0, -1]]


def test_loads_adapters_beside_each_other_and_gives_the_base_model_back(tiny: Path, tmp_path: Path) -> None:
    said: list[str] = []
    loaded = load_for_inference(str(tiny), None, progress=said.append)
    base = scores(loaded)
    assert not loaded.model.training and loaded.folder == tiny and any("CPU" in line or "CUDA" in line for line in said)
    one = attach_adapter(loaded, make_tiny_adapter(tmp_path / "one", tiny, seed=1), "one")
    first = scores(one)
    two = attach_adapter(one, make_tiny_adapter(tmp_path / "two", tiny, seed=2), "two")
    second = scores(two)
    assert base != first != second != base
    assert two.adapter == tmp_path / "two"
    two.model.set_adapter("one")
    assert scores(two) == first
    with two.model.disable_adapter():
        assert scores(two) == base
    assert scores(load_for_inference(str(tiny), tmp_path / "two", progress=quiet)) == second


def test_an_adapter_that_is_not_there_or_does_not_fit_is_said(tiny: Path, tmp_path: Path) -> None:
    loaded = load_for_inference(str(tiny), None, progress=quiet)
    with pytest.raises(ModelError, match="no complete adapter"):
        attach_adapter(loaded, tmp_path, "none")
    adapter = make_tiny_adapter(tmp_path / "damaged", tiny)
    (adapter / "adapter_model.safetensors").write_bytes(b"no safetensors")
    with pytest.raises(ModelError, match="not a safetensors file"):
        attach_adapter(loaded, adapter, "damaged")


def test_a_model_that_does_not_fit_is_refused_and_the_process_lives(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = DeviceMemory(1 << 10, 1 << 10, "main memory")
    monkeypatch.setattr(checked_model, "device_memory", lambda device, name: small)
    with pytest.raises(ModelError, match="GiB"):
        load_for_inference(str(tiny), None, progress=quiet)


def test_memory_that_may_not_suffice_is_a_warning_and_the_model_is_loaded(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = DeviceMemory(1 << 20, 64 << 30, "main memory")
    monkeypatch.setattr(checked_model, "device_memory", lambda device, name: little)
    said: list[str] = []
    loaded = load_for_inference(str(tiny), None, progress=said.append)
    assert loaded.fit is not None and loaded.fit.verdict == "does not fit"
    assert any("GiB of main memory are free" in words for words in said)


def test_weights_that_belong_to_another_architecture_are_a_model_error(tiny: Path, tmp_path: Path) -> None:
    for file in tiny.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text('{"model_type": "no_such_architecture", "hidden_size": 8}')
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_for_inference(str(tmp_path), None, progress=quiet)
