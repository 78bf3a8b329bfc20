"""Memory goes back after a model, and a lost GPU is told from a full one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.base.child import ROOT
from core.models import loading
from core.models.give_memory_back import give_memory_back
from core.models.loading import load_for_inference
from core.models.poisoned_gpu import gpu_is_poisoned
from tests.support.tiny_model import make_tiny_model


def test_freed_memory_leaves_the_process_and_nothing_heavy_is_imported() -> None:
    code = """
import sys, psutil
from core.models.give_memory_back import give_memory_back
def resident(): return psutil.Process().memory_info().rss
class Circle: pass
kept = []
for _ in range(200_000):  # small enough that the C library keeps their pages
    circle = Circle()
    circle.me = [circle, bytes(900)]
    kept.append(circle)
wall = bytes(900)  # lies above them
full = resident()
del kept, circle
give_memory_back()
print(full - resident() > 100 << 20, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(sys.platform == "linux"), "False"]


def test_a_load_that_fails_gives_back_what_it_has_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gc
    import weakref

    import torch

    from core.base.errors import ModelError

    held: list[weakref.ref[torch.Tensor]] = []

    def half(*_: object) -> None:
        weights = torch.zeros(10)
        held.append(weakref.ref(weights))
        raise MemoryError

    monkeypatch.setattr(loading, "_from_pretrained", half)
    gc.disable()
    try:
        with pytest.raises(ModelError, match="memory ran out") as caught:
            load_for_inference(str(make_tiny_model(tmp_path / "model")), None, progress=lambda _: None)
        assert held[0]() is None
        assert caught.value.do
    finally:
        gc.enable()


def test_giving_back_may_be_called_at_any_time() -> None:
    for _ in range(3):
        give_memory_back()


@pytest.mark.parametrize(
    ("words", "poisoned"),
    [
        ("CUDA error: an illegal memory access was encountered", True),
        ("CUDA error: device-side assert triggered", True),
        ("CUDA error: unspecified launch failure", True),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", False),
        ("an illegal memory access of the user's own", False),
    ],
)
def test_a_lost_gpu_is_told_from_one_that_is_full(words: str, poisoned: bool) -> None:
    assert gpu_is_poisoned(RuntimeError(words)) is poisoned
    outer = ValueError("the answer failed")
    outer.__cause__ = RuntimeError(words)
    assert gpu_is_poisoned(outer) is poisoned
    assert not gpu_is_poisoned(None)
