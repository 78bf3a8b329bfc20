"""Reads a GGUF file back through transformers, as a model that can be asked. Imports torch and transformers.

transformers' reader leaves out some settings that llama.cpp obeys: the head's size in Qwen3, and the scaling of
positions. They are taken from the file here, so that what is asked is what the file says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.base.errors import ModelError

_CLASSES = {"llama": "LlamaConfig", "qwen2": "Qwen2Config", "qwen3": "Qwen3Config"}


def read_gguf_model(path: Path, device: str = "cpu", dtype: str = "float32") -> Any:
    """The model in the GGUF file `path`, unpacked to `dtype`, in evaluation mode. Raises ModelError where it cannot be
    read."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        config = read_gguf_config(path)
        model = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, config=config, dtype=getattr(torch, dtype)
        )
    except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError) as error:
        what = f"the GGUF file cannot be read back ({str(error).strip().splitlines()[0] if str(error) else error!r})"
        raise ModelError(what, str(path), "Export it again") from error
    if (factors := _rope_factors(path)) is not None:
        rotary = model.model.rotary_emb
        rotary.inv_freq = rotary.inv_freq / torch.from_numpy(factors).to(rotary.inv_freq)
    return model.to(device).eval()


def read_gguf_config(path: Path) -> Any:
    """A config of transformers made of the file's settings alone."""
    import gguf
    import transformers

    reader = gguf.GGUFReader(path)

    def value(key: str, default: Any = None) -> Any:
        field = reader.fields.get(key)
        return field.contents() if field is not None else default

    architecture = value("general.architecture")

    def setting(key: str, default: Any = None) -> Any:
        return value(f"{architecture}.{key}", default)

    rope: dict[str, Any] = {"rope_type": setting("rope.scaling.type", "default")}
    rope["rope_theta"] = setting("rope.freq_base", 10000.0)
    if rope["rope_type"] != "default":
        rope["factor"] = setting("rope.scaling.factor")
    if (context := setting("rope.scaling.original_context_length")) is not None:
        rope["original_max_position_embeddings"] = context
    make = getattr(transformers, _CLASSES[architecture])
    return make(
        vocab_size=setting("vocab_size"),
        max_position_embeddings=setting("context_length"),
        hidden_size=setting("embedding_length"),
        intermediate_size=setting("feed_forward_length"),
        num_hidden_layers=setting("block_count"),
        num_attention_heads=setting("attention.head_count"),
        num_key_value_heads=setting("attention.head_count_kv"),
        head_dim=setting("attention.key_length"),
        rms_norm_eps=setting("attention.layer_norm_rms_epsilon"),
        rope_parameters=rope,
        tie_word_embeddings=all(tensor.name != "output.weight" for tensor in reader.tensors),
        bos_token_id=value("tokenizer.ggml.bos_token_id"),
        eos_token_id=value("tokenizer.ggml.eos_token_id"),
        pad_token_id=value("tokenizer.ggml.padding_token_id"),
    )


def _rope_factors(path: Path) -> Any:
    import gguf
    import numpy as np

    for tensor in gguf.GGUFReader(path).tensors:
        if tensor.name == "rope_freqs.weight":
            return np.array(tensor.data, np.float32)
    return None
