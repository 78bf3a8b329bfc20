"""A tiny model of every shape with its adapter, made once."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.export_models import SHAPES, make_adapter, make_model


class Tuned(NamedTuple):
    model: Path
    adapter: Path


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "original_max_position_embeddings": 64,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
}


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tuned]:
    root = tmp_path_factory.mktemp("shapes")
    made = {}
    for shape in SHAPES:
        model = make_model(root / shape, shape)
        made[shape] = Tuned(model, make_adapter(root / f"{shape}-adapter", model))
    model = make_model(root / "llama3", "llama", rope_parameters=LLAMA3_ROPE)
    made["llama3"] = Tuned(model, make_adapter(root / "llama3-adapter", model))
    return made
