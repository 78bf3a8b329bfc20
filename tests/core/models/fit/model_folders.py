"""Models for the tests of the estimate: config.json of known models, written by hand, and files that are only
declared."""

from __future__ import annotations

import json
import struct
from pathlib import Path

QWEN_7B = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
}
QWEN_32B = {
    **QWEN_7B,
    "hidden_size": 5120,
    "intermediate_size": 27648,
    "num_hidden_layers": 64,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
}
LLAMA_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
GEMMA2_2B = {
    "model_type": "gemma2",
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "vocab_size": 256000,
}
PHI3_MINI = {
    "model_type": "phi3",
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32064,
    "tie_word_embeddings": False,
}
MIXTRAL = {
    "model_type": "mixtral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}


def write_config(folder: Path, config: dict[str, object]) -> Path:
    """A folder that has nothing but its config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_tensors(folder: Path, shapes: dict[str, tuple[str, list[int]]]) -> Path:
    """A file that declares tensors, by name their format and shape; their weights are holes, which take no disk."""
    header: dict[str, dict[str, object]] = {}
    place = 0
    for name, (dtype, shape) in shapes.items():
        size = {"BF16": 2, "F16": 2, "F32": 4, "U8": 1}[dtype]
        for number in shape:
            size *= number
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    raw = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + place)
    return folder


def dense_tensors(config: dict[str, object], bias: bool = False) -> dict[str, tuple[str, list[int]]]:
    """The tensors of a model with gated MLP, from its config.json."""

    def number(key: str) -> int:
        value = config[key]
        assert isinstance(value, int)
        return value

    hidden, inner, vocabulary = number("hidden_size"), number("intermediate_size"), number("vocab_size")
    heads = number("num_attention_heads")
    narrow = hidden // heads * number("num_key_value_heads")
    shapes = {
        "model.embed_tokens.weight": [vocabulary, hidden],
        "model.norm.weight": [hidden],
        "lm_head.weight": [vocabulary, hidden],
    }
    for layer in range(number("num_hidden_layers")):
        front = f"model.layers.{layer}."
        for name, rows in (("q_proj", hidden), ("k_proj", narrow), ("v_proj", narrow), ("o_proj", hidden)):
            shapes[f"{front}self_attn.{name}.weight"] = [rows, hidden]
            if bias and name != "o_proj":
                shapes[f"{front}self_attn.{name}.bias"] = [rows]
        for name, rows, columns in (("gate_proj", inner, hidden), ("up_proj", inner, hidden)):
            shapes[f"{front}mlp.{name}.weight"] = [rows, columns]
        shapes[f"{front}mlp.down_proj.weight"] = [hidden, inner]
        shapes[f"{front}input_layernorm.weight"] = [hidden]
        shapes[f"{front}post_attention_layernorm.weight"] = [hidden]
    return {name: ("BF16", shape) for name, shape in shapes.items()}
