"""Every test has a home, cache and config of its own, so that none reads or writes the user's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# Before torch is loaded: threads that spin while they wait take the cores from the processes under test.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# As `core.models.backend` does before transformers is imported, whichever test does so first: it may be there and not
# load, and that is remembered.
sys.modules.setdefault("torchvision", None)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def private_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    base = tmp_path_factory.mktemp("suiron")
    for variable in ("HOME", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"SUIRON_{variable}", str(base / variable.lower()))
    return base
