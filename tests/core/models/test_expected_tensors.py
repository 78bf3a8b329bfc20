"""Weights that a config describes and a file lacks are never invented: the headers are compared before anything is
read, and what does not match is refused or told."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import ModelError
from core.models import loading
from core.models.expected_tensors import compare_with_config, model_without_weights
from core.models.loading import load_for_inference, load_for_training
from core.models.lora_settings import LoraSettings
from tests.support.changed_models import Tensors, copy_of, in_shards, with_config, with_tensors
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("expected") / "model")


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> Path:
    return copy_of(tiny, tmp_path / "model")


def refusal(folder: Path) -> ModelError:
    """The error of the comparison; nothing may be loaded before it."""
    with pytest.raises(ModelError) as caught:
        compare_with_config(folder).refuse_unless_whole(folder)
    assert caught.value.where == str(folder)
    assert caught.value.do
    return caught.value


def test_a_whole_model_is_whole_in_one_file_and_in_shards(model: Path) -> None:
    for folder in (model, in_shards(model)):
        found = compare_with_config(folder)
        found.refuse_unless_whole(folder)
        assert (found.missing, found.wrong_shapes, found.unexpected, found.note) == ((), (), (), "")
        assert (found.expected, found.layers) == (20, 2)


def test_the_model_to_compare_with_takes_no_memory_and_keeps_the_default_format(model: Path) -> None:
    import torch

    with_config(model, dtype="bfloat16")
    assert {str(tensor.device) for tensor in model_without_weights(model).state_dict().values()} == {"meta"}
    assert torch.get_default_dtype() == torch.float32


def test_a_config_of_three_layers_over_a_file_of_two(model: Path) -> None:
    error = refusal(with_config(model, num_hidden_layers=3, layer_types=None))
    assert error.what.startswith("3 layers are in config.json, and the weights have 2: 9 tensors of 29 are missing")
    assert "model.layers.2." in error.what


def test_layers_of_the_file_that_the_config_does_not_have_are_told(model: Path) -> None:
    with_config(model, num_hidden_layers=1, layer_types=None)
    loaded = load_for_inference(str(model), None, progress=lambda _: None)
    assert "9 tensors of the weights are not in the model" in loaded.notes[0]
    assert "model.layers.1.input_layernorm.weight" in loaded.notes[0]


def test_a_tensor_under_another_name_is_missing_and_its_other_name_is_said(model: Path) -> None:
    def rename(tensors: Tensors) -> None:
        tensors["model.layers.1.mlp.up\x1b.weight"] = tensors.pop("model.layers.1.mlp.up_proj.weight")

    error = refusal(with_tensors(model, rename))
    assert error.what.startswith("1 tensor of 20 is missing: model.layers.1.mlp.up_proj.weight; instead there is")
    assert "\x1b" not in error.what


def test_a_wrong_shape_is_said_with_both_shapes(model: Path) -> None:
    def narrow(tensors: Tensors) -> None:
        tensors["model.norm.weight"] = tensors["model.norm.weight"][:32]

    what = refusal(with_tensors(model, narrow)).what
    assert what == "model.norm.weight has the shape [32] in the weights and [64] by config.json"


def test_another_vocabulary_in_the_config_does_not_fit_the_embeddings(model: Path) -> None:
    assert "model.embed_tokens.weight has the shape [258, 64]" in refusal(with_config(model, vocab_size=300)).what


def test_a_head_that_is_not_tied_must_be_there(model: Path) -> None:
    assert "lm_head.weight" in refusal(with_config(model, tie_word_embeddings=False)).what


def test_of_two_tied_tensors_either_is_enough_and_none_is_not(model: Path) -> None:
    def to_head(tensors: Tensors) -> None:
        tensors["lm_head.weight"] = tensors.pop("model.embed_tokens.weight")

    compare_with_config(with_tensors(model, to_head)).refuse_unless_whole(model)
    with_tensors(model, lambda tensors: tensors.pop("lm_head.weight"))
    assert "model.embed_tokens.weight" in refusal(model).what


def test_tensors_of_a_shard_that_is_left_out_of_the_index_are_missing(model: Path) -> None:
    in_shards(model)
    index = json.loads((model / "model.safetensors.index.json").read_text())
    kept = {name: file for name, file in index["weight_map"].items() if file.startswith("model-00002")}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": kept}))
    assert "missing" in refusal(model).what


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_hidden_layers": 100_000}, "num_hidden_layers = 100,000, and its weights have 2 layers"),
        ({"vocab_size": 10**12}, "vocab_size = 1,000,000,000,000"),
        ({"hidden_size": 10**15}, "hidden_size"),
        ({"text_config": {"num_hidden_layers": 10**9}}, "num_hidden_layers"),
        ({"num_local_experts": 10**7}, "num_local_experts"),
    ],
)
def test_a_config_beyond_any_file_is_refused_before_a_model_is_made(
    model: Path, change: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was made")

    monkeypatch.setattr("core.models.expected_tensors.model_without_weights", never)
    assert words in refusal(with_config(model, **change)).what


@pytest.mark.parametrize(
    "change", [{"num_attention_heads": 0}, {"hidden_act": "none such"}, {"rope_scaling": {"rope_type": "no such"}}]
)
def test_a_config_of_which_no_model_can_be_made_is_a_model_error(model: Path, change: dict[str, Any]) -> None:
    assert "cannot be loaded" in refusal(with_config(model, **change)).what


def for_answers(folder: Path) -> None:
    load_for_inference(str(folder), None, progress=lambda _: None)


def for_training(folder: Path) -> None:
    lora = LoraSettings(
        r=2,
        alpha=2,
        dropout=0.0,
        target_modules=("q_proj",),
        bias="none",
        use_rslora=False,
        seed=0,
        batch_size=1,
        tokens=8,
        max_seq_length=8,
        gradient_checkpointing=False,
    )
    load_for_training(str(folder), lora, four_bit=False, trust_remote_code=False, progress=lambda _: None)


@pytest.mark.parametrize("load", [for_answers, for_training])
def test_no_load_begins_with_a_tensor_missing(
    model: Path, load: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr(loading, "_from_pretrained", never)
    with_tensors(model, lambda tensors: tensors.pop("model.norm.weight"))
    with pytest.raises(ModelError, match=r"model\.norm\.weight"):
        load(model)


def test_the_second_net_holds_where_the_first_does_not(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.models.checked_model.check_weights", lambda *_, **__: ())
    with_tensors(model, lambda tensors: tensors.pop("model.norm.weight"))
    with pytest.raises(ModelError, match=r"would be drawn at random: model\.norm\.weight"):
        for_answers(model)


def packed_with_bitsandbytes(tensors: Tensors, method: str) -> None:
    """Names and shapes as bitsandbytes saves them; the numbers mean nothing."""
    import torch

    for name in [name for name in tensors if "_proj" in name]:
        wide = tensors.pop(name)
        if method == "nf4":
            tensors[name] = torch.zeros((wide.numel() + 1) // 2, 1, dtype=torch.uint8)
            for companion in ("absmax", "quant_map", "nested_absmax", "nested_quant_map"):
                tensors[f"{name}.{companion}"] = torch.zeros(4)
            tensors[f"{name}.quant_state.bitsandbytes__nf4"] = torch.zeros(8, dtype=torch.uint8)
        else:
            tensors[name] = torch.zeros(wide.shape, dtype=torch.int8)
            tensors[name.replace(".weight", ".SCB")] = torch.zeros(4)
            tensors[name.replace(".weight", ".weight_format")] = torch.zeros(1, dtype=torch.uint8)


@pytest.mark.parametrize("method", ["nf4", "int8"])
def test_weights_packed_by_bitsandbytes_are_compared_as_they_were_before(model: Path, method: str) -> None:
    with_tensors(model, lambda tensors: packed_with_bitsandbytes(tensors, method))
    with_config(model, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": method == "nf4"})
    found = compare_with_config(model)
    found.refuse_unless_whole(model)
    assert found.note == ""
    with_tensors(model, lambda tensors: tensors.pop("model.layers.0.mlp.up_proj.weight"))
    assert "model.layers.0.mlp.up_proj.weight" in refusal(model).what


def test_of_weights_packed_otherwise_whole_layers_are_counted(model: Path) -> None:
    def pack(tensors: Tensors) -> None:
        for name in [name for name in tensors if "_proj" in name]:
            tensors[name.replace(".weight", ".qweight")] = tensors.pop(name)

    with_tensors(model, pack)
    with_config(model, quantization_config={"quant_method": "gptq", "bits": 4})
    compare_with_config(model).refuse_unless_whole(model)
    with_config(model, num_hidden_layers=3, layer_types=None)
    assert "3 layers are in config.json, and the weights have 2" in refusal(model).what


def save_old_names(folder: Path) -> Path:
    """A mixture-of-experts model, saved with every expert's tensors by themselves, as the hub has them."""
    import torch
    from transformers import MixtralConfig, MixtralForCausalLM

    config = MixtralConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_local_experts=4,
        num_experts_per_tok=2,
    )
    with torch.random.fork_rng():
        MixtralForCausalLM(config).save_pretrained(folder)
    return folder


def test_tensors_that_the_library_renames_and_joins_are_compared_after_that(tmp_path: Path) -> None:
    from core.models.weights import read_tensors

    folder = save_old_names(tmp_path / "mixtral")
    assert any(".experts.3." in name for name in read_tensors(folder)), "the file has each expert by itself"
    assert compare_with_config(folder).note == ""
    compare_with_config(folder).refuse_unless_whole(folder)

    def lose_one(tensors: Tensors) -> None:
        tensors.pop(next(name for name in tensors if ".experts.3.w1" in name))

    with_tensors(folder, lose_one)
    assert "experts" in refusal(folder).what


def test_whichever_tensor_is_lost_it_is_named(tiny: Path, tmp_path: Path) -> None:
    from core.models.weights import read_tensors

    names = sorted(read_tensors(tiny))
    for lost in random.Random(3).sample(names, 5):
        folder = with_tensors(copy_of(tiny, tmp_path / lost), lambda tensors, lost=lost: tensors.pop(lost))
        assert f"1 tensor of 20 is missing: {lost}" in refusal(folder).what
