"""Loading in two halves: the first refuses what can be known beforehand, and takes nothing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import ModelError
from core.models import checked_model
from core.models.checked_model import resolve_and_check
from core.models.fit.free_memory import DeviceMemory
from core.models.load_form import OWN_FORM, LoadForm
from core.models.loading import load_checked, load_for_inference
from tests.support.tiny_model import make_tiny_adapter, make_tiny_model


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("checked") / "model")


def test_what_was_checked_is_what_is_loaded(tiny: Path, tmp_path: Path) -> None:
    adapter = make_tiny_adapter(tmp_path / "adapter", tiny)
    said: list[str] = []
    checked = resolve_and_check(str(tiny), adapter, form=LoadForm(dtype="bfloat16"), progress=said.append)
    assert said == ["checking model"]
    loaded = load_checked(checked, said.append)
    assert (loaded.name, loaded.folder, loaded.adapter) == (str(tiny), tiny, adapter)
    assert str(loaded.model.dtype) == "torch.bfloat16"
    assert loaded.form.dtype == "bfloat16"
    assert checked.adapter is not None
    assert loaded.adapter_version == checked.adapter.version
    assert loaded.fingerprint == checked.fingerprint != ""
    assert "bfloat16" in loaded.backend.line or "CUDA" in loaded.backend.line


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_form_decides_the_number_format(tiny: Path, dtype: str) -> None:
    loaded = load_for_inference(str(tiny), None, dtype=dtype, four_bit=False, progress=quiet)
    assert str(loaded.model.dtype) == f"torch.{dtype}"
    assert loaded.form == LoadForm(four_bit=False, dtype=dtype)
    assert loaded.form.key != OWN_FORM.key


def test_an_unknown_number_format_is_refused(tiny: Path) -> None:
    with pytest.raises(ModelError, match="int3 is no number format"):
        resolve_and_check(str(tiny), form=LoadForm(dtype="int3"), progress=quiet)


@pytest.mark.parametrize("name", ["", "/no/such/folder", "tiny", "x" * 5000])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        resolve_and_check(name, progress=quiet)
    assert caught.value.do


def test_memory_that_is_given_back_before_the_load_counts(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    little = DeviceMemory(free=1 << 10, total=1 << 40, name="main memory")
    monkeypatch.setattr(checked_model, "device_memory", lambda device, name: little)
    said: list[str] = []
    resolve_and_check(str(tiny), progress=said.append)
    assert any("main memory are free" in words for words in said)
    said.clear()
    resolve_and_check(str(tiny), freed=1 << 40, progress=said.append)
    assert not any("are free" in words for words in said)


def test_weights_larger_than_the_whole_device_are_refused(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = DeviceMemory(free=1 << 10, total=1 << 10, name="main memory")
    monkeypatch.setattr(checked_model, "device_memory", lambda device, name: small)
    with pytest.raises(ModelError, match="its weights alone take"):
        resolve_and_check(str(tiny), progress=quiet)


def test_checks_in_other_threads_do_not_disturb_a_model_that_decodes_or_loads(tiny: Path, tmp_path: Path) -> None:
    """The libraries change the process while they make modules: what is made meanwhile must not notice."""
    import torch

    adapter = make_tiny_adapter(tmp_path / "adapter", tiny)
    loaded = load_for_inference(str(tiny), adapter, dtype="bfloat16", progress=quiet)
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        expected = loaded.model(ids).logits
    failures: list[BaseException] = []
    begun, ended = threading.Barrier(3), threading.Event()

    def again(work: Any) -> None:
        begun.wait()
        try:
            for _ in range(6):
                work()
        except BaseException as error:
            failures.append(error)
        finally:
            ended.set()

    def check() -> None:
        resolve_and_check(str(tiny), adapter, form=LoadForm(dtype="bfloat16"), progress=quiet)

    def load() -> None:
        other = load_for_inference(str(tiny), adapter, dtype="bfloat16", progress=quiet)
        with torch.inference_mode():
            assert torch.equal(other.model(ids).logits, expected)

    threads = [threading.Thread(target=again, args=(work,)) for work in (check, load)]
    for thread in threads:
        thread.start()
    begun.wait()
    while not ended.is_set() or any(thread.is_alive() for thread in threads):
        with torch.inference_mode():
            assert torch.equal(loaded.model(ids).logits, expected)
        assert torch.zeros(1).device.type == "cpu"
    for thread in threads:
        thread.join()
    assert not failures
    assert torch.get_default_dtype() == torch.float32
    assert not torch.nn.Linear(2, 2).weight.is_meta
