"""A model folder of a real shape that takes no time and hardly any disk: memory depends only on the shape.

The embeddings and the head are random (Unsloth refuses rows whose tokens have empty embeddings); all other weights are
holes of a sparse file, read as zeros. A 32B model of 61 GiB is written in a second.
"""

from __future__ import annotations

import functools
import json
import random
import shutil
import struct
from pathlib import Path
from typing import Any

from bench.decode_model import SHAPES as QWEN_SHAPES

SHAPES: dict[str, dict[str, Any]] = {
    **{name: {"model_type": "qwen2", **shape} for name, shape in QWEN_SHAPES.items()},
    "tiny": {"model_type": "qwen2", **QWEN_SHAPES["tiny"], "vocab_size": 49152},
    "3b": {"model_type": "qwen2", "hidden_size": 2048, "num_hidden_layers": 36, "intermediate_size": 11008,
           "num_attention_heads": 16, "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True},
    "llama-1b": {"model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "intermediate_size": 8192,
                 "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
                 "tie_word_embeddings": True},
    "llama-8b": {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336,
                 "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
                 "tie_word_embeddings": False},
}  # fmt: skip
"""Qwen2.5's and Llama 3's shapes, as in their config.json, and a tiny one."""
_ARCHITECTURES = {"qwen2": "Qwen2ForCausalLM", "llama": "LlamaForCausalLM"}
_BLOCK = 1 << 24  # bytes of random weights, repeated


def config_of(shape: str) -> dict[str, Any]:
    """What stands in config.json of a model of this shape."""
    sizes = SHAPES[shape]
    return {
        **sizes,
        "architectures": [_ARCHITECTURES[sizes["model_type"]]],
        "dtype": "bfloat16",
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 0,
    }


def tensor_shapes(shape: str) -> dict[str, list[int]]:
    """The tensors of a model of this shape, by name."""
    sizes = SHAPES[shape]
    hidden, inner, vocabulary = sizes["hidden_size"], sizes["intermediate_size"], sizes["vocab_size"]
    narrow = hidden // sizes["num_attention_heads"] * sizes["num_key_value_heads"]
    shapes = {"model.embed_tokens.weight": [vocabulary, hidden], "model.norm.weight": [hidden]}
    if not sizes["tie_word_embeddings"]:
        shapes["lm_head.weight"] = [vocabulary, hidden]
    linear = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (narrow, hidden),
        "self_attn.v_proj": (narrow, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    for layer in range(sizes["num_hidden_layers"]):
        front = f"model.layers.{layer}."
        for name, (rows, columns) in linear.items():
            shapes[f"{front}{name}.weight"] = [rows, columns]
            if sizes["model_type"] == "qwen2" and name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
                shapes[f"{front}{name}.bias"] = [rows]
        for name in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{front}{name}.weight"] = [hidden]
    return shapes


def make_hollow(shape: str, folder: Path, tokenizer: Path) -> Path:
    """Write the folder, with the tokenizer's files in it; one that stands is left alone."""
    if (folder / "config.json").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    place, header, filled = 0, {}, []
    for name, dimensions in tensor_shapes(shape).items():
        size = 2 * dimensions[0] * (dimensions[1] if len(dimensions) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": dimensions, "data_offsets": [place, place + size]}
        if "embed" in name or "lm_head" in name:
            filled.append((place, size))
        place += size
    raw = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    raw += b" " * (-len(raw) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + place)
        block = _random_weights()
        for begin, size in filled:
            file.seek(8 + len(raw) + begin)
            for done in range(0, size, _BLOCK):
                file.write(block[: min(_BLOCK, size - done)])
    for path in tokenizer.iterdir():
        if path.name.startswith("tokenizer"):
            shutil.copy(path, folder)
    (folder / "config.json").write_text(json.dumps(config_of(shape)))  # last: the folder is whole
    return folder


@functools.cache
def _random_weights() -> bytes:
    """A block of bfloat16 numbers between 1/64 and 1/32, of either sign."""
    low = random.Random(0).randbytes(_BLOCK // 2)
    out = bytearray(_BLOCK)
    out[0::2] = low
    out[1::2] = bytes(0xBC if byte & 1 else 0x3C for byte in low)
    return bytes(out)
