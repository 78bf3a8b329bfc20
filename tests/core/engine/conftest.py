"""The tiny model, made once, as a folder and in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_model import make_tiny_adapter, make_tiny_model

# Before torch is loaded: threads that spin make the tiny model twenty times slower where other processes keep the cores
# busy.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def tiny_adapter(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    return make_tiny_adapter(tmp_path_factory.mktemp("tiny") / "adapter", tiny_folder)


@pytest.fixture(scope="session")
def tiny_model(tiny_folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()
