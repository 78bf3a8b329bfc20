"""The line of the memory that the next run takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.models.fit.free_memory import DeviceMemory
from core.runs import memory_words
from core.runs.memory_words import memory_line
from core.runs.spec import DataSection, ModelSection, RunSpec

CONFIG = {
    "model_type": "qwen2",
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}


def spec_of(folder: Path) -> RunSpec:
    return RunSpec(data=DataSection(source="rows"), model=ModelSection(name=str(folder)))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


def test_it_says_what_is_needed_and_free(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_words, "_gpu_now", lambda: DeviceMemory(80 << 30, 80 << 30, "a GPU"))
    assert memory_line(spec_of(model)).endswith("GiB of 80.0 free, fits")


def test_it_names_a_change_that_fits(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_words, "_gpu_now", lambda: DeviceMemory(1 << 30, 80 << 30, "a GPU"))
    words = memory_line(spec_of(model))
    assert "does not fit; " in words or "tight; " in words


def test_a_model_that_is_not_here_has_no_line(tmp_path: Path) -> None:
    assert memory_line(spec_of(tmp_path / "none")) == ""
