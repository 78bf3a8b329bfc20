"""The counts of known models, from config.json alone and from headers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import ModelError
from core.models.fit.config_shape import shape_of_config
from core.models.fit.header_shape import shape_of_folder
from tests.core.models.fit.model_folders import (
    GEMMA2_2B,
    LLAMA_8B,
    MIXTRAL,
    PHI3_MINI,
    QWEN_7B,
    QWEN_32B,
    dense_tensors,
    write_config,
    write_tensors,
)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [  # as published of each model
        (QWEN_7B, 7_615_616_512),
        (QWEN_32B, 32_763_876_352),
        (LLAMA_8B, 8_030_261_248),
        (GEMMA2_2B, 2_614_341_888),
        (PHI3_MINI, 3_821_079_552),
        (MIXTRAL, 46_702_792_704),
    ],
)
def test_parameters_of_known_models_from_their_config_alone(config: dict[str, object], parameters: int) -> None:
    shape = shape_of_config(config)
    assert shape.parameters == pytest.approx(parameters, rel=1e-4)
    assert shape.is_known and not shape.is_exact


def test_a_folder_with_nothing_but_its_config_has_the_same_shape_as_its_files(tmp_path: Path) -> None:
    alone = shape_of_folder(write_config(tmp_path, QWEN_7B))
    write_tensors(tmp_path, dense_tensors(QWEN_7B, bias=True))
    read = shape_of_folder(tmp_path)
    assert read.is_exact and not alone.is_exact
    assert read.parameters == alone.parameters == 7_615_616_512
    assert (read.embedding, read.head, read.others) == (alone.embedding, alone.head, alone.others)
    assert {m.name: m.elements for m in read.matrices} == {m.name: m.elements for m in alone.matrices}


def test_weights_that_are_quantised_in_the_file_count_as_their_bytes(tmp_path: Path) -> None:
    write_config(tmp_path, LLAMA_8B)
    inner, hidden = 14336, 4096
    tensors: dict[str, tuple[str, list[int]]] = {
        "model.embed_tokens.weight": ("BF16", [128256, hidden]),
        "lm_head.weight": ("BF16", [128256, hidden]),
        "model.layers.0.mlp.up_proj.weight": ("U8", [inner * hidden // 2, 1]),
        "model.layers.0.mlp.up_proj.weight.absmax": ("U8", [inner * hidden // 64]),
        "model.layers.0.mlp.up_proj.weight.quant_state.bitsandbytes__nf4": ("U8", [100]),
    }
    shape = shape_of_folder(write_tensors(tmp_path, tensors))
    up = next(matrix for matrix in shape.matrices if matrix.name == "up_proj")
    assert up.stored_bytes == inner * hidden // 2 + inner * hidden // 64 + 100
    assert (up.outputs, up.inputs) == (inner, hidden)  # of the adapter, not of the packed bytes
    assert shape.embedding == shape.head == 128256 * hidden


def test_an_unknown_architecture_is_taken_for_a_usual_one_and_says_so() -> None:
    shape = shape_of_config({"model_type": "never-heard-of", "n_embd": 768, "n_layer": 12, "n_head": 12})
    assert not shape.is_known
    assert (shape.hidden, shape.layers, shape.inner) == (768, 12, 3072)


def test_a_missing_or_broken_config_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        shape_of_folder(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ModelError):
        shape_of_folder(tmp_path)


@given(
    st.dictionaries(
        st.sampled_from(["hidden_size", "num_hidden_layers", "vocab_size", "head_dim", "num_local_experts"]),
        st.one_of(st.integers(-5, 10_000), st.sampled_from([None, "", "x", True, 1.5])),
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_config_has_a_shape(config: dict[str, object]) -> None:
    shape = shape_of_config(config)
    assert shape.parameters > 0 and shape.layers > 0 and shape.largest > 0
