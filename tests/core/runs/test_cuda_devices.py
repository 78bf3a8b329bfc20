"""Which GPUs a run takes, by what CUDA_VISIBLE_DEVICES shows. No GPU is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.runs import cuda_devices
from core.runs.cuda_devices import gpus_of_this_process, visible_gpus


@pytest.mark.parametrize(
    ("named", "shown", "two"),
    [
        (None, ("0", "1", "2"), ("0", "1")),
        ("2, 0", ("2", "0"), ("2", "0")),
        ("1", ("1",), ("1",)),
        ("GPU-5a,GPU-7b,GPU-9c,GPU-1d", ("GPU-5a", "GPU-7b", "GPU-9c"), ("GPU-5a", "GPU-7b")),
    ],
)
def test_a_run_takes_the_first_gpus_that_are_shown(
    monkeypatch: pytest.MonkeyPatch, named: str | None, shown: tuple[str, ...], two: tuple[str, ...]
) -> None:
    devices = [Path("/dev") / f"nvidia{name}" for name in ("0", "1", "2", "ctl", "-uvm")]
    monkeypatch.setattr(cuda_devices, "cuda_is_visible", lambda: True)
    monkeypatch.setattr(cuda_devices.Path, "glob", lambda folder, pattern: devices)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == shown
    assert gpus_of_this_process() == shown[:1] and gpus_of_this_process(2) == two


def test_without_cuda_a_run_takes_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == gpus_of_this_process(4) == ()
