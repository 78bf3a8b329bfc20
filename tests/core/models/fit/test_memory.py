"""What is said before a model is loaded: a warning with numbers and advice; a refusal only where it is certain."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.base.errors import ModelError, UsageError
from core.models.fit.constants import GIB
from core.models.fit.free_memory import DeviceMemory
from core.models.fit.gpus import GPUS, find_gpu
from core.models.fit.memory import Placement, TrainingShape, check_fits
from tests.core.models.fit.model_folders import LLAMA_8B, dense_tensors, write_config, write_tensors

STEP = TrainingShape(batch_size=4, tokens=2048, r=16, gradient_checkpointing=True)
CPU = Placement(backend="transformers", on_gpu=False, four_bit=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUIRON_HOME", str(tmp_path / "home"))
    write_config(tmp_path / "model", LLAMA_8B)
    return write_tensors(tmp_path / "model", dense_tensors(LLAMA_8B))


def gpu(free: float, total: float = 24.0) -> DeviceMemory:
    return DeviceMemory(int(free * GIB), int(total * GIB), "a GPU")


def on_gpu(**changes: Any) -> Placement:
    values: dict[str, Any] = {"backend": "unsloth", "on_gpu": True, "four_bit": True}
    return Placement(**{**values, **changes})


def test_what_fits_needs_no_words(folder: Path) -> None:
    check = check_fits(folder, on_gpu(), STEP, gpu(22.0))
    assert check.verdict == "fits" and check.warning == ""


def test_weights_larger_than_the_device_are_refused_and_insisting_goes_on(folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        check_fits(folder, on_gpu(four_bit=False), STEP, gpu(12.0, 12.0))
    assert "weights alone" in caught.value.what and "billion parameters" in caught.value.do
    check = check_fits(folder, on_gpu(four_bit=False), STEP, gpu(12.0, 12.0), insist=True)
    assert check.verdict == "does not fit" and check.warning


def test_what_others_take_of_the_device_is_a_warning_and_no_refusal(folder: Path) -> None:
    check = check_fits(folder, on_gpu(), STEP, gpu(1.0))
    assert check.verdict == "does not fit"
    assert "1.0 GiB" in check.warning and "hardly" in check.warning


def test_the_warning_names_a_smaller_setting_with_its_estimate(folder: Path) -> None:
    whole = check_fits(folder, on_gpu(), STEP, gpu(24.0)).estimate
    check = check_fits(folder, on_gpu(), STEP, gpu((whole.high + whole.context) / GIB - 0.05))
    assert check.verdict == "tight"
    assert "train.batch_size = " in check.warning and "GiB" in check.warning
    assert "load_in_4bit" in check_fits(folder, on_gpu(four_bit=False), None, gpu(12.0)).warning


def test_a_config_alone_is_never_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUIRON_HOME", str(tmp_path / "home"))
    folder = write_config(tmp_path / "model", LLAMA_8B)
    assert check_fits(folder, on_gpu(), STEP, gpu(1.0, 1.0)).verdict == "does not fit"


def test_a_model_of_terabytes_is_refused_without_being_read(tmp_path: Path) -> None:
    config = {**LLAMA_8B, "hidden_size": 16384, "num_attention_heads": 128, "num_hidden_layers": 500}
    write_config(tmp_path, config)
    write_tensors(tmp_path, dense_tensors(config))
    assert os.stat(tmp_path / "model.safetensors").st_size > 500 * GIB
    with pytest.raises(ModelError):
        check_fits(tmp_path, CPU, None, DeviceMemory(16 * GIB, 32 * GIB, "main memory"))


def test_gpus_are_found_by_any_spelling_and_an_unknown_one_lists_them() -> None:
    assert find_gpu("rtx 4090").name == "RTX4090"
    assert find_gpu("A100-40").gib < 40 < find_gpu("a100 80").gib
    assert find_gpu("24GiB").gib == 24
    with pytest.raises(UsageError) as caught:
        find_gpu("abacus")
    assert all(known.name in caught.value.do for known in GPUS)


def test_the_room_imports_nothing_heavy() -> None:
    code = (
        "import sys, core.cli.fit, core.runs.spec_memory\n"
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'unsloth', 'datasets', 'bitsandbytes', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_check_survives_the_way_through_json(folder: Path) -> None:
    check = check_fits(folder, on_gpu(), STEP, gpu(22.0))
    assert msgspec.json.decode(msgspec.json.encode(check), type=type(check)) == check
