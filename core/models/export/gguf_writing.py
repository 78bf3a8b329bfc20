"""Writes a tuned model as one GGUF file (format 3), which llama.cpp, Ollama and LM Studio load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.models.export.gguf_shapes import GgufShape, gguf_tensor_names, permute_heads, permuted_heads
from core.models.export.gguf_tokenizer import GgufTokenizer
from core.models.export.merged_tensors import MergedTensors
from core.models.export.number_formats import Array, NumberTooLarge, from_float32
from core.models.export.row_blocks import map_in_order, row_blocks
from core.models.export.safetensors_writing import OnTensor, too_large

GgufType = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
"""The number formats of a GGUF file's matrices. Vectors are always float32."""
GGUF_TYPES: tuple[GgufType, ...] = ("f32", "f16", "bf16", "q8_0", "q4_0")
BLOCK_OF_32 = 32
"""Weights of a block of q8_0 and q4_0."""
_FORMATS = {"f32": "F32", "f16": "F16", "bf16": "BF16"}
_BYTES_OF_32 = {"f32": 128, "f16": 64, "bf16": 64, "q8_0": 34, "q4_0": 18}


def stored_type(shape: list[int], wanted: str) -> str:
    """The type of a tensor: vectors are f32, and rows that blocks of 32 do not fill f16, as llama.cpp has them."""
    if len(shape) < 2:
        return "f32"
    return "f16" if wanted in ("q8_0", "q4_0") and shape[-1] % BLOCK_OF_32 else wanted


def encoded_bytes(elements: int, kind: str) -> int:
    """Bytes of so many weights."""
    return elements * _BYTES_OF_32[kind] // BLOCK_OF_32


def gguf_bytes(tensors: MergedTensors, kind: str) -> int:
    """About how large the file will be."""
    headers = tensors.headers.values()
    return sum(encoded_bytes(header.elements, stored_type(header.shape, kind)) for header in headers) + (16 << 20)


def encode(values: Array, kind: str) -> bytes:
    """Float32 values as the bytes of a `GgufType`, as llama.cpp writes them. Raises NumberTooLarge."""
    if kind in _FORMATS:
        return from_float32(values, _FORMATS[kind]).tobytes()
    if not np.isfinite(values).all():
        raise NumberTooLarge(kind)
    import gguf

    with np.errstate(divide="ignore", over="ignore"):
        return bytes(gguf.quantize(values, gguf.GGMLQuantizationType[kind.upper()]).tobytes())


def write_gguf(
    tensors: MergedTensors,
    shape: GgufShape,
    tokenizer: GgufTokenizer,
    path: Path,
    kind: GgufType,
    about: Mapping[str, str],
    on_tensor: OnTensor,
    workers: int = 1,
) -> None:
    """Write the file `path`. about: the keys `name`, `license`, `base_model` and `description`, as far as they are
    known. Raises OSError, and ModelError for a tensor that GGUF has no place for."""
    import gguf

    writer = gguf.GGUFWriter(path, shape.architecture)
    _write_settings(writer, shape, kind, about)
    tokenizer.write(writer)
    names = gguf_tensor_names(list(tensors.headers), shape, str(path))
    factors = shape.rope_factors()
    types = {name: stored_type(tensors.headers[source].shape, kind) for name, source in names.items()}
    if factors is not None:
        writer.add_tensor_info("rope_freqs.weight", factors.shape, np.dtype(np.float32), factors.nbytes)
    for name, source in names.items():
        header = tensors.headers[source]
        writer.add_tensor_info(
            name,
            header.shape,
            np.dtype(np.float32),  # the type below counts
            encoded_bytes(header.elements, types[name]),
            gguf.GGMLQuantizationType[types[name].upper()],
        )
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        file = writer.fout[0]
        writer.write_padding(file, file.tell())
        if factors is not None:
            file.write(factors.tobytes())
            writer.write_padding(file, factors.nbytes)
        for done, (name, source) in enumerate(names.items()):
            on_tensor(name, done, len(names))
            _write_tensor(tensors, source, types[name], permuted_heads(name, shape), shape.head_size, file, workers)
            writer.write_padding(file, encoded_bytes(tensors.headers[source].elements, types[name]))
        on_tensor("", len(names), len(names))
        file.flush()
        os.fsync(file.fileno())
    finally:
        writer.close()


def _write_tensor(
    tensors: MergedTensors, name: str, kind: str, heads: int, head_size: int, file: Any, workers: int
) -> None:
    def block(rows: tuple[int, int]) -> bytes:
        values = tensors.rows(name, *rows)
        return encode(permute_heads(values, head_size) if heads else values, kind)

    multiple = tensors.row_multiple(name)
    if heads:
        multiple = int(np.lcm(multiple, head_size))
    try:
        for data in map_in_order(block, row_blocks(tensors.headers[name].shape, multiple), workers):
            file.write(data)
    except NumberTooLarge as error:
        raise too_large(name, _FORMATS.get(kind, kind)) from error


def _write_settings(writer: Any, shape: GgufShape, kind: str, about: Mapping[str, str]) -> None:
    import gguf

    writer.add_type(gguf.GGUFType.MODEL)
    if name := about.get("name"):
        writer.add_name(name)
    if license := about.get("license"):
        writer.add_license(license)
    if description := about.get("description"):
        writer.add_description(description)
    if base := about.get("base_model"):
        writer.add_base_model_count(1)
        writer.add_base_model_name(0, base)
    file_types = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16"}
    writer.add_file_type(gguf.LlamaFileType[file_types.get(kind, f"MOSTLY_{kind.upper()}")])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_key_length(shape.head_size)
    writer.add_value_length(shape.head_size)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.head_size)
    if shape.rope.kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(shape.rope.settings["factor"])
    elif shape.rope.kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(shape.rope.settings["factor"])
        writer.add_rope_scaling_orig_ctx_len(int(shape.rope.settings["original_max_position_embeddings"]))
