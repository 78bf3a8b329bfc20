"""Numpy's own threads are off where a process multiplies in threads of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from core.base.cpu_cores import numpy_on_one_core


def test_numpy_stays_on_one_core_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("VECLIB_MAXIMUM_THREADS", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    numpy_on_one_core()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert os.environ["VECLIB_MAXIMUM_THREADS"] == "3"
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_the_process_of_an_export_says_so_before_numpy_is_there() -> None:
    words = "import sys, core.export.__main__; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0
