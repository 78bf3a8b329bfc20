"""Merged weights against PEFT's own computation; what cannot be merged is refused by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import core
from core.base.errors import ModelError
from core.models.export.adapter_check import check_for_vllm, check_peft_folder, vllm_command, vllm_rank
from core.models.export.adapter_weights import check_mergeable, lora_scale, read_lora_updates
from core.models.export.disk_and_memory import check_disk, check_memory
from core.models.export.merged_tensors import MergedTensors
from core.models.export.model_tensors import largest_tensor_bytes, open_model_tensors
from core.models.export.safetensors_writing import sixteen_bit_format, write_safetensors_folder
from core.models.resolve import check_model_folder
from tests.core.models.export.conftest import Tuned
from tests.support.export_models import copied, make_adapter, make_model


def nothing(name: str, done: int, total: int) -> None:
    """Nobody listens."""


def merge(model: Path, adapter: Path, folder: Path, dtype: str = "F32", workers: int = 1) -> Path:
    folder.mkdir()
    with open_model_tensors(model) as stored:
        updates = read_lora_updates(adapter, stored.headers)
        write_safetensors_folder(MergedTensors(stored, updates), model, folder, dtype, nothing, workers)
    return folder


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model(torch.arange(5, 105)[None]).logits.numpy()


def peft_logits(model: Path, adapter: Path) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    return logits(PeftModel.from_pretrained(loaded, str(adapter)).eval())


def folder_logits(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return logits(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval())


@pytest.mark.parametrize("shape", ["llama", "qwen2", "qwen3", "mistral"])
def test_merged_weights_answer_as_the_adapter_beside_them(tuned: dict[str, Tuned], shape: str, tmp_path: Path) -> None:
    merged = merge(*tuned[shape], tmp_path / "merged", workers=2)
    check_model_folder(merged)
    assert np.abs(folder_logits(merged) - peft_logits(*tuned[shape])).max() < 1e-3
    assert json.loads((merged / "config.json").read_text())["dtype"] == "float32"
    assert (merged / "tokenizer.json").read_bytes() == (tuned[shape].model / "tokenizer.json").read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 8}, "alpha_pattern": {"down_proj": 32}},
        {"r": 1, "lora_alpha": 3},
    ],
)
def test_scales_are_those_of_peft(tuned: dict[str, Tuned], changes: dict[str, Any], tmp_path: Path) -> None:
    model = tuned["qwen2"].model
    adapter = make_adapter(tmp_path / "adapter", model, **changes)
    merged = merge(model, adapter, tmp_path / "merged")
    assert np.abs(folder_logits(merged) - peft_logits(model, adapter)).max() < 1e-3


def test_weights_are_rounded_once(tuned: dict[str, Tuned], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model, adapter = tuned["llama"]
    merged = load_file(merge(model, adapter, tmp_path / "merged", "BF16") / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    base = load_file(model / "model.safetensors")[name].double()
    factors = load_file(adapter / "adapter_model.safetensors")
    key = f"base_model.model.{name.removesuffix('.weight')}"
    exact = base + 2.0 * factors[f"{key}.lora_B.weight"].double() @ factors[f"{key}.lora_A.weight"].double()
    wrong = (merged[name].double() - exact).abs() > exact.abs() * 2**-8 + 1e-12
    assert not wrong.any()


def test_several_files_have_an_index(tuned: dict[str, Tuned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.models.export.safetensors_writing.SHARD_BYTES", 60_000)
    merged = merge(*tuned["llama"], tmp_path / "merged")
    assert len(list(merged.glob("model-*-of-*.safetensors"))) > 1
    check_model_folder(merged)
    assert np.abs(folder_logits(merged) - peft_logits(*tuned["llama"])).max() < 1e-3


def test_dequantised_weights_are_those_that_a_4_bit_run_saw(tuned: dict[str, Tuned]) -> None:
    functional = pytest.importorskip("bitsandbytes.functional")
    import torch

    with open_model_tensors(tuned["llama"].model) as stored:
        tensors = MergedTensors(stored, {}, "dequantised")
        name = "model.layers.0.self_attn.q_proj.weight"
        original = torch.from_numpy(stored.whole(name)).bfloat16()
        packed, state = functional.quantize_4bit(original.reshape(-1, 64), compress_statistics=True, quant_type="nf4")
        theirs = functional.dequantize_4bit(packed, state).float().numpy().reshape(original.shape)
        mine = np.concatenate([tensors.rows(name, start, start + 16) for start in range(0, 64, 16)])
        assert (mine == theirs).mean() > 0.98
        assert not tensors.is_packed("model.embed_tokens.weight")
        assert np.array_equal(tensors.rows("model.norm.weight", 0, 64), stored.whole("model.norm.weight"))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights"),
        ({"peft_type": "IA3"}, "IA3"),
    ],
)
def test_adapters_that_are_more_than_updates_are_refused_by_name(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ModelError, match=word) as caught:
        check_mergeable({"peft_type": "LORA", "r": 4, **changes}, "adapter")
    assert caught.value.where
    assert caught.value.do


def test_scale_patterns_name_whole_modules() -> None:
    config = {"r": 4, "lora_alpha": 8, "rank_pattern": {"q_proj": 2}, "alpha_pattern": {r"layers\.1\..*": 16}}
    assert lora_scale(config, "model.layers.0.self_attn.q_proj") == 4
    assert lora_scale(config, "model.layers.1.self_attn.k_proj") == 4
    assert lora_scale(config, "model.layers.0.self_attn.notq_proj") == 2


def test_an_adapter_of_another_model_is_refused(tuned: dict[str, Tuned], tmp_path: Path) -> None:
    other = make_model(tmp_path / "other", "qwen2", hidden_size=32, num_attention_heads=2)
    with open_model_tensors(other) as stored, pytest.raises(ModelError, match="not that of the base model's layer"):
        read_lora_updates(tuned["qwen2"].adapter, stored.headers)


def test_a_tensor_that_is_no_factor_is_refused(tuned: dict[str, Tuned], tmp_path: Path) -> None:
    adapter = copied(tuned["qwen2"].adapter, tmp_path / "adapter")
    save_file({"base_model.model.lm_head.weight": np.zeros((2, 2), np.float32)}, adapter / "adapter_model.safetensors")
    with open_model_tensors(tuned["qwen2"].model) as stored, pytest.raises(ModelError, match="no LoRA factor"):
        read_lora_updates(adapter, stored.headers)


def test_packed_weights_are_refused(tmp_path: Path) -> None:
    save_file({"a.weight": np.zeros((4, 1), np.uint8)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="packed"):
        open_model_tensors(tmp_path)


def test_float16_that_would_overflow_is_refused_with_the_tensor(tuned: dict[str, Tuned], tmp_path: Path) -> None:
    model = copied(tuned["llama"].model, tmp_path / "model")
    from safetensors.numpy import load_file

    tensors = load_file(model / "model.safetensors")
    tensors["model.norm.weight"] = np.full_like(tensors["model.norm.weight"], 1e6)
    save_file(tensors, model / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"model\.norm\.weight") as caught:
        merge(model, tuned["llama"].adapter, tmp_path / "merged", "F16")
    assert "bf16" in caught.value.do


def test_the_16_bit_format_is_the_base_models(tmp_path: Path) -> None:
    for dtype, expected in (("float16", "F16"), ("bfloat16", "BF16"), ("float32", "BF16")):
        with open_model_tensors(make_model(tmp_path / dtype, "qwen2", dtype=dtype)) as stored:
            assert sixteen_bit_format(MergedTensors(stored, {})) == expected


def test_disk_and_memory_are_checked_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_disk(tmp_path / "not" / "there", 0)
    with pytest.raises(ModelError, match="GiB are free") as caught:
        check_disk(tmp_path / "not" / "there", 1 << 60)
    assert "--out" in caught.value.do
    with pytest.raises(ModelError, match="memory"):
        check_memory(1 << 60)


@pytest.mark.parametrize("workers", [1, 2])
def test_memory_is_twice_the_largest_tensor_and_300_mb_at_most(tmp_path: Path, workers: int) -> None:
    """A model of 400 MB in a process of its own, whose peak is the kernel's own count."""
    rows, columns = 32_000, 1_536
    generator = np.random.default_rng(0)
    tensors = {
        f"model.layers.{layer}.mlp.up_proj.weight": generator.normal(0, 0.02, (rows, columns)).astype(np.float16)
        for layer in range(4)
    }
    model = tmp_path / "model"
    model.mkdir()
    save_file(tensors, model / "model.safetensors")
    (model / "config.json").write_text('{"model_type": "llama"}')
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    factors = {}
    for name in tensors:
        key = f"base_model.model.{name.removesuffix('.weight')}"
        factors[f"{key}.lora_A.weight"] = generator.normal(0, 1, (16, columns)).astype(np.float32)
        factors[f"{key}.lora_B.weight"] = generator.normal(0, 1, (rows, 16)).astype(np.float32)
    save_file(factors, adapter / "adapter_model.safetensors")
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 16, "lora_alpha": 16}))
    program = f"""
from pathlib import Path
from core.models.export.disk_and_memory import peak_memory
from tests.core.models.export.test_merging import merge
from core.models.export.model_tensors import largest_tensor_bytes, open_model_tensors
merge(Path({str(model)!r}), Path({str(adapter)!r}), Path({str(tmp_path / "merged")!r}), "F16", {workers})
print(peak_memory())
"""
    root = str(Path(core.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    with open_model_tensors(model) as stored:
        largest = largest_tensor_bytes(stored.headers)
    assert largest == rows * columns * 2
    assert int(done.stdout) < 2 * largest + (300 << 20)


def test_what_servers_need_to_know(tuned: dict[str, Tuned], tmp_path: Path) -> None:
    facts = check_for_vllm(tuned["qwen2"].adapter)
    assert facts.rank == 4
    assert [vllm_rank(rank) for rank in (1, 4, 8, 9, 17, 200, 300, 512)] == [1, 8, 8, 16, 32, 256, 320, 512]
    line = vllm_command("owner/model", "my tuned", Path("."), facts)
    assert line == "vllm serve owner/model --enable-lora --lora-modules 'my tuned=.' --max-lora-rank 8"


@pytest.mark.parametrize(
    ("change", "word"), [({"modules_to_save": ["lm_head"]}, "modules_to_save"), ({"use_dora": True}, "DoRA")]
)
def test_what_vllm_refuses_is_refused_here(
    tuned: dict[str, Tuned], change: dict[str, Any], word: str, tmp_path: Path
) -> None:
    adapter = copied(tuned["qwen2"].adapter, tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | change))
    check_peft_folder(adapter)
    with pytest.raises(ModelError, match=word) as caught:
        check_for_vllm(adapter)
    assert "merged" in caught.value.do


def test_vllm_refuses_large_ranks_and_other_layers(tmp_path: Path) -> None:
    for name, rank, word in (("q_proj", 513, "513"), ("embed_tokens", 4, "embed_tokens")):
        folder = tmp_path / name
        folder.mkdir()
        key = f"base_model.model.model.layers.0.self_attn.{name}"
        save_file(
            {
                f"{key}.lora_A.weight": np.zeros((rank, 4), np.float32),
                f"{key}.lora_B.weight": np.zeros((4, rank), np.float32),
            },
            folder / "adapter_model.safetensors",
        )
        (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank}))
        with pytest.raises(ModelError, match=word):
            check_for_vllm(folder)


def test_an_empty_folder_is_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no adapter here"):
        check_peft_folder(tmp_path)


def test_the_largest_tensor_is_found(tuned: dict[str, Tuned]) -> None:
    with open_model_tensors(tuned["llama"].model) as stored:
        assert largest_tensor_bytes(stored.headers) == max(
            np.prod(header.shape) * 4 for header in stored.headers.values()
        )
