"""A model that cannot fit is refused from its headers, before a byte of its weights is read."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path

import pytest

from core.base.errors import ModelError
from core.models.fit import memory
from core.models.fit.memory import GIB, TrainingShape, check_fits, needed_bytes

HIDDEN, INNER, LAYERS, VOCABULARY = 4096, 11008, 32, 32000


def write_model(folder: Path, layers: int = LAYERS, hidden: int = HIDDEN) -> Path:
    """A folder whose weights are declared but sparse: terabytes take no disk."""
    header: dict[str, dict[str, object]] = {}
    place = 0
    shapes = {"model.embed_tokens.weight": [VOCABULARY, hidden], "lm_head.weight": [VOCABULARY, hidden]}
    for layer in range(layers):
        for name, shape in (
            ("self_attn.q_proj", [hidden, hidden]),
            ("mlp.up_proj", [INNER, hidden]),
            ("mlp.down_proj", [hidden, INNER]),
        ):
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
    for name, shape in shapes.items():
        size = shape[0] * shape[1] * 2
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    raw = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + place)
    config = {
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": INNER,
        "num_hidden_layers": layers,
        "vocab_size": VOCABULARY,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def step(**changes: object) -> TrainingShape:
    values: dict[str, object] = {
        "batch_size": 4,
        "tokens": 2048,
        "r": 16,
        "target_modules": ("q_proj", "up_proj"),
        "gradient_checkpointing": True,
    }
    return TrainingShape(**{**values, **changes})  # type: ignore[arg-type]


def test_a_model_of_terabytes_is_refused_without_being_read(tmp_path: Path) -> None:
    write_model(tmp_path, layers=2000, hidden=16384)
    assert os.stat(tmp_path / "model.safetensors").st_size > 1000 * GIB
    began = time.monotonic()
    with pytest.raises(ModelError) as caught:
        check_fits(tmp_path, "cpu", four_bit=False, width=2)
    assert time.monotonic() - began < 5
    assert "GiB" in caught.value.what and "billion parameters" in caught.value.do


def test_weights_are_counted_to_the_byte_and_four_bits_take_about_a_quarter(tmp_path: Path) -> None:
    write_model(tmp_path)
    embeddings, layers = 2 * VOCABULARY * HIDDEN, LAYERS * (HIDDEN * HIDDEN + 2 * HIDDEN * INNER)
    assert needed_bytes(tmp_path, four_bit=False, width=2).weights == 2 * (embeddings + layers)
    quantised = needed_bytes(tmp_path, four_bit=True, width=2).weights - 2 * embeddings
    assert 0.5 * layers < quantised < 0.6 * layers


def test_training_adds_the_adapter_and_its_state_and_checkpointing_saves_activations(tmp_path: Path) -> None:
    write_model(tmp_path)
    need = needed_bytes(tmp_path, four_bit=True, width=2, training=step())
    assert need.adapter == 16 * LAYERS * 16 * (2 * HIDDEN + HIDDEN + INNER)
    full = needed_bytes(tmp_path, four_bit=True, width=2, training=step(gradient_checkpointing=False))
    assert full.activations > 3 * need.activations


def test_a_smaller_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path)
    training = step(gradient_checkpointing=False)
    need = needed_bytes(tmp_path, four_bit=False, width=2, training=training)

    def advice(free: int, device: str, training: TrainingShape | None) -> str:
        monkeypatch.setattr(memory, "available_bytes", lambda _: free)
        with pytest.raises(ModelError) as caught:
            check_fits(tmp_path, device, four_bit=False, width=2, training=training)
        return caught.value.do

    assert "gradient_checkpointing = true" in advice(need.total - 1, "cpu", training)
    assert "train.batch_size" in advice(need.total - 1, "cpu", training)
    assert "load_in_4bit" in advice(need.weights // 2, "cuda:0", None)
    monkeypatch.setattr(memory, "available_bytes", lambda _: need.total)
    assert check_fits(tmp_path, "cpu", four_bit=False, width=2, training=training).total == need.total


def test_the_estimate_of_a_32b_model_in_four_bits_is_that_of_the_arithmetic(tmp_path: Path) -> None:
    """Qwen2.5-32B: NF4 weights 15.0 GiB, embeddings and head 2.9 in 16 bits."""
    hidden, inner, vocabulary = 5120, 27648, 152064
    header: dict[str, dict[str, object]] = {}
    place = 0
    shapes = {"model.embed_tokens.weight": [vocabulary, hidden], "lm_head.weight": [vocabulary, hidden]}
    for layer in range(64):
        for name, shape in (
            ("q", [hidden, hidden]),
            ("k", [1024, hidden]),
            ("v", [1024, hidden]),
            ("o", [hidden, hidden]),
        ):
            shapes[f"model.layers.{layer}.self_attn.{name}_proj.weight"] = shape
        for name, shape in (("gate", [inner, hidden]), ("up", [inner, hidden]), ("down", [hidden, inner])):
            shapes[f"model.layers.{layer}.mlp.{name}_proj.weight"] = shape
    for name, shape in shapes.items():
        size = shape[0] * shape[1] * 2
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    raw = json.dumps(header).encode()
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + place)
    weights = needed_bytes(tmp_path, four_bit=True, width=2).weights / GIB
    assert 17.5 < weights < 19.5
