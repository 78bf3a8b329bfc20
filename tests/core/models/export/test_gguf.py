"""GGUF files, read back through transformers and by llama.cpp's rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import ModelError
from core.models.export.adapter_weights import read_lora_updates
from core.models.export.comparison_texts import COUNT, comparison_texts
from core.models.export.gguf_reading import read_gguf_config, read_gguf_model
from core.models.export.gguf_shapes import SUPPORTED_MODELS, gguf_shape, permute_heads
from core.models.export.gguf_tokenizer import different_texts, gguf_tokenizer
from core.models.export.gguf_tokenizer_rules import LlamaCppTokenizer, read_gguf_vocabulary
from core.models.export.gguf_writing import GgufType, encode, encoded_bytes, gguf_bytes, stored_type, write_gguf
from core.models.export.merged_tensors import MergedTensors
from core.models.export.model_tensors import open_model_tensors
from core.models.export.number_formats import NumberTooLarge
from core.models.resolve import read_model_config
from core.tokens.tokenizer import TextTokenizer
from tests.core.models.export.conftest import Tuned
from tests.core.models.export.test_merging import logits, nothing, peft_logits
from tests.support.export_models import SHAPES, copied, make_model

ABOUT = {"name": "tiny", "license": "mit", "base_model": "owner/base"}


def export(tuned: Tuned, path: Path, kind: GgufType, workers: int = 1) -> Path:
    shape = gguf_shape(read_model_config(tuned.model), str(tuned.model))
    tokenizer = gguf_tokenizer(tuned.model, shape.vocabulary)
    with open_model_tensors(tuned.model) as stored:
        tensors = MergedTensors(stored, read_lora_updates(tuned.adapter, stored.headers))
        write_gguf(tensors, shape, tokenizer, path, kind, ABOUT, nothing, workers)
        assert path.stat().st_size < gguf_bytes(tensors, kind)
    return path


@pytest.mark.parametrize("shape", [*SHAPES, "llama3"])
def test_float32_gives_the_same_logits_when_read_back(tuned: dict[str, Tuned], shape: str, tmp_path: Path) -> None:
    path = export(tuned[shape], tmp_path / "tiny.gguf", "f32", workers=2)
    assert np.abs(logits(read_gguf_model(path)) - peft_logits(*tuned[shape])).max() < 1e-3


@pytest.mark.parametrize(("kind", "most"), [("f16", 0.05), ("bf16", 0.5), ("q8_0", 1.0), ("q4_0", 20.0)])
def test_other_types_are_near(tuned: dict[str, Tuned], kind: GgufType, most: float, tmp_path: Path) -> None:
    path = export(tuned["llama"], tmp_path / "tiny.gguf", kind)
    apart = np.abs(logits(read_gguf_model(path)) - peft_logits(*tuned["llama"])).max()
    assert 0 < apart < most
    reader = gguf.GGUFReader(path)
    types = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert types["token_embd.weight"] == kind.upper()
    assert types["output_norm.weight"] == "F32"
    assert reader.fields["general.name"].contents() == "tiny"
    assert reader.fields["general.license"].contents() == "mit"


@pytest.mark.parametrize("shape", SHAPES)
def test_all_texts_have_the_same_ids(tuned: dict[str, Tuned], shape: str, tmp_path: Path) -> None:
    path = export(tuned[shape], tmp_path / "tiny.gguf", "q8_0")
    own = TextTokenizer.from_folder(tuned[shape].model)
    vocabulary = read_gguf_vocabulary(path)
    special = [token.content for token in own.raw.get_added_tokens_decoder().values()]
    texts = comparison_texts(special)
    assert len(texts) == COUNT
    assert different_texts(own, LlamaCppTokenizer(vocabulary), texts) == []
    expected = {"llama": "llama-bpe", "qwen2": "qwen2", "qwen3": "qwen2", "mistral": "default"}
    assert vocabulary.splitter == expected[shape]


@pytest.mark.parametrize("shape", ["qwen2", "qwen3"])
def test_transformers_own_reader_agrees_where_it_knows_the_splitter(
    tuned: dict[str, Tuned], shape: str, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    path = export(tuned[shape], tmp_path / "tiny.gguf", "f32")
    theirs = AutoTokenizer.from_pretrained(tmp_path, gguf_file=path.name)
    own = TextTokenizer.from_folder(tuned[shape].model)
    texts = comparison_texts()
    mine = [encoding.ids for encoding in own.encode_batch(texts)]
    assert [theirs(text, add_special_tokens=False).input_ids for text in texts] == mine


def test_special_tokens_count_only_where_asked_for(tuned: dict[str, Tuned]) -> None:
    tokenizer = gguf_tokenizer(tuned["qwen2"].model, 600)
    rules = LlamaCppTokenizer(tokenizer.vocabulary)
    end = tokenizer.ids["eos"]
    assert rules.encode(["a<|im_end|>"], special=True)[0][-1] == end
    assert end not in rules.encode(["a<|im_end|>"], special=False)[0]
    assert rules.encode(["<think>"], special=False)[0] == rules.encode(["<think>"], special=True)[0]
    assert tokenizer.chat_template
    assert tokenizer.remarks == ()


def test_the_file_says_what_the_model_is(tuned: dict[str, Tuned], tmp_path: Path) -> None:
    path = export(tuned["mistral"], tmp_path / "tiny.gguf", "f16")
    config = read_gguf_config(path)
    original = read_model_config(tuned["mistral"].model)
    for key in ("hidden_size", "num_hidden_layers", "num_key_value_heads", "head_dim", "vocab_size", "rms_norm_eps"):
        assert getattr(config, key) == pytest.approx(original[key])
    fields = gguf.GGUFReader(path).fields
    assert fields["general.architecture"].contents() == "llama"
    assert fields["tokenizer.ggml.add_bos_token"].contents() is True
    assert fields["tokenizer.ggml.bos_token_id"].contents() == 1
    assert fields["tokenizer.ggml.eos_token_id"].contents() == 2


def test_ids_without_a_token_are_unused(tuned: dict[str, Tuned], tmp_path: Path) -> None:
    vocabulary = read_gguf_vocabulary(export(tuned["llama"], tmp_path / "tiny.gguf", "f16"))
    rows = read_model_config(tuned["llama"].model)["vocab_size"]
    assert len(vocabulary.tokens) == len(vocabulary.types) == rows
    assert vocabulary.tokens[-1] == f"[PAD{rows - 1}]"
    assert vocabulary.types[-1] == 5


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"model_type": "gpt2"}, "gpt2"),
        ({"model_type": "gemma2"}, "llama, mistral, qwen2, qwen3"),
        ({"model_type": "llama", "attention_bias": True}, "attention_bias"),
        ({"model_type": "llama", "hidden_act": "gelu"}, "gelu"),
        (
            {
                "model_type": "llama",
                "num_attention_heads": 4,
                "hidden_size": 64,
                "rope_parameters": {"rope_type": "longrope"},
            },
            "longrope",
        ),
    ],
)
def test_other_shapes_are_refused(config: dict[str, Any], word: str) -> None:
    full = {"num_hidden_layers": 1, "intermediate_size": 1, "vocab_size": 1, "num_attention_heads": 1}
    with pytest.raises(ModelError) as caught:
        gguf_shape({**full, "hidden_size": 1, **config}, "model")
    assert word in str(caught.value)
    assert caught.value.do
    assert SUPPORTED_MODELS == ("llama", "mistral", "qwen2", "qwen3")


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 10000.0},
    ],
)
def test_scaled_positions_are_read_back(tmp_path: Path, rope: dict[str, Any]) -> None:
    from tests.support.export_models import make_adapter

    model = make_model(tmp_path / "model", "qwen2", rope_parameters=rope)
    tuned = Tuned(model, make_adapter(tmp_path / "adapter", model))
    path = export(tuned, tmp_path / "tiny.gguf", "f32")
    assert np.abs(logits(read_gguf_model(path)) - peft_logits(*tuned)).max() < 1e-3


def test_a_tokenizer_that_gguf_cannot_hold_is_refused(tuned: dict[str, Tuned], tmp_path: Path) -> None:
    folder = copied(tuned["qwen2"].model, tmp_path / "model")
    path = folder / "tokenizer.json"
    definition = json.loads(path.read_text("utf-8"))
    definition["normalizer"] = {"type": "Lowercase"}
    path.write_text(json.dumps(definition), encoding="utf-8")
    with pytest.raises(ModelError, match="GGUF cannot hold this tokenizer") as caught:
        gguf_tokenizer(folder, 1000)
    assert "merged" in caught.value.do
    definition["model"] = {"type": "WordLevel", "vocab": {"a": 0, "<|im_end|>": 1}, "unk_token": "a"}
    definition["added_tokens"] = []
    path.write_text(json.dumps(definition), encoding="utf-8")
    with pytest.raises(ModelError, match="WordLevel"):
        gguf_tokenizer(folder, 1000)


def test_bytes_written_as_letters_are_no_sentencepiece(tuned: dict[str, Tuned], tmp_path: Path) -> None:
    """transformers' reader of GGUF files says `byte_fallback` of both kinds."""
    folder = copied(tuned["qwen2"].model, tmp_path / "model")
    definition = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    definition["model"]["byte_fallback"] = True
    (folder / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    assert gguf_tokenizer(folder, 1000).vocabulary.model == "gpt2"


def test_more_tokens_than_embeddings_are_refused(tuned: dict[str, Tuned]) -> None:
    with pytest.raises(ModelError, match="embeddings"):
        gguf_tokenizer(tuned["qwen2"].model, 10)


@given(st.integers(1, 4), st.integers(1, 8), st.integers(1, 5))
def test_reordered_heads_are_put_back_by_the_reader(heads: int, half: int, columns: int) -> None:
    from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

    values = np.arange(heads * half * 2 * columns, dtype=np.float32).reshape(-1, columns)
    back = LlamaTensorProcessor()._reverse_permute_weights(permute_heads(values, half * 2), heads)
    assert np.array_equal(back, values)


@given(st.sampled_from(["f32", "f16", "bf16", "q8_0", "q4_0"]), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_types_have_their_size_and_are_read_back_near(kind: str, blocks: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 1, (2, blocks * 32)).astype(np.float32)
    data = encode(values, kind)
    assert len(data) == encoded_bytes(values.size, kind)
    name = gguf.GGMLQuantizationType[kind.upper()]
    raw = np.frombuffer(data, np.uint8).reshape(2, -1)
    back = gguf.dequantize(raw.view({"f32": np.float32, "f16": np.float16}.get(kind, np.uint8)), name)
    steps = {"f32": 0.0, "f16": 2e-3, "bf16": 2e-2, "q8_0": 4e-2, "q4_0": 0.7}
    assert np.abs(back - values).max() <= steps[kind] * max(1.0, float(np.abs(values).max()))


def test_rows_that_blocks_do_not_fill_stay_float16() -> None:
    assert stored_type([4, 33], "q8_0") == "f16"
    assert stored_type([4, 64], "q8_0") == "q8_0"
    assert stored_type([64], "q8_0") == "f32"
    with pytest.raises(NumberTooLarge):
        encode(np.array([[np.nan] * 32], np.float32), "q8_0")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"not a gguf file at all")
    with pytest.raises(ModelError, match="cannot be read back"):
        read_gguf_model(path)
