"""The choice of library, and what must hold before one is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.models import backend
from core.models.backend import Backend

ROOT = str(Path(backend.__file__).parents[2])


def test_the_line_says_which_library_and_why() -> None:
    gpu = Backend("unsloth", "cuda:0", "CUDA is available", "NVIDIA H100 80GB", True)
    assert gpu.line == str(gpu) == "Unsloth, 4-bit, on NVIDIA H100 80GB: CUDA is available"
    cpu = Backend("transformers", "cpu", "no CUDA device is visible", "the CPU (2 cores, float32)")
    assert cpu.line == "Transformers + PEFT on the CPU (2 cores, float32): no CUDA device is visible"


@pytest.mark.parametrize("broken", [True, False])
def test_a_torchvision_that_does_not_load_is_taken_for_absent(broken: bool, tmp_path: Path) -> None:
    """One whose operators are no library at all breaks `import peft`; afterwards it imports."""
    if broken:
        fake = tmp_path / "torchvision"
        fake.mkdir()
        (fake / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
        (fake / "_C.so").write_bytes(b"no library")
    code = """
from core.models.backend import prepare_imports
prepare_imports()
import os, sys, peft
print(sys.modules.get("torchvision", "untouched"))
print(*(os.environ[name] for name in ("UNSLOTH_DISABLE_STATISTICS", "UNSLOTH_COMPILE_LOCATION", "OMP_WAIT_POLICY")))
"""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("UNSLOTH_")
    }  # tests before this one may have prepared too
    environment = {**inherited, "PYTHONPATH": os.pathsep.join([str(tmp_path), ROOT]), "OMP_WAIT_POLICY": "active"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    seen = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    if broken:
        assert seen[0] == "None"
    assert seen[1].startswith("1 ") and os.environ["SUIRON_CACHE"] in seen[1]
    assert seen[1].endswith(" active")  # what the user has set stays


def test_without_cuda_it_is_transformers_on_the_cpu() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for chosen in (backend.choose_backend(True), backend.choose_inference_backend(True)):
        assert (chosen.kind, chosen.device, chosen.four_bit) == ("transformers", "cpu", False)
        assert "no CUDA device is visible" in chosen.line and backend.dtype_name("cpu") in chosen.line


def test_unsloth_that_does_not_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA Test")
    monkeypatch.setitem(sys.modules, "unsloth", None)
    chosen = backend.choose_backend(True)
    assert chosen.kind == "transformers" and "Unsloth does not import (ModuleNotFoundError" in chosen.why
