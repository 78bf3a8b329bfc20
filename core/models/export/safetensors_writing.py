"""Writes a tuned model as a folder of safetensors that transformers and servers load: weights, config, tokenizer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from core.base.errors import ModelError
from core.base.safe_text import safe_line
from core.models.export.merged_tensors import MergedTensors
from core.models.export.number_formats import FLOAT_BYTES, NumberTooLarge, from_float32
from core.models.export.row_blocks import map_in_order, row_blocks
from core.models.resolve import read_model_config

SHARD_BYTES = 5_000_000_000
OnTensor = Callable[[str, int, int], None]
"""Gets the name of the tensor that is written next, how many are written, and how many there are. It may raise, which
ends the writing."""
_DTYPE_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_COPIED = ("*.json", "*.jinja", "*.model", "merges.txt", "vocab.txt", "LICENSE*", "additional_chat_templates/*.jinja")
_NOT_COPIED = frozenset({"config.json", "model.safetensors.index.json", "suiron.json", "adapter_config.json"})


class WeightTooLarge(ModelError):
    """A weight is no finite number in the format that is written."""


def sixteen_bit_format(tensors: MergedTensors) -> str:
    """The 16-bit format of most of the base model's weights; BF16 where they have 32 bits."""
    counts: dict[str, int] = {"BF16": 0, "F16": 0}
    for header in tensors.headers.values():
        if header.dtype in counts:
            counts[header.dtype] += header.elements
    return "F16" if counts["F16"] > counts["BF16"] else "BF16"


def write_safetensors_folder(
    tensors: MergedTensors, base: Path, folder: Path, dtype: str, on_tensor: OnTensor, workers: int = 1
) -> None:
    """Write the weights as `dtype` (a `FloatFormat`), in files of 5 GB at most, and beside them the config and the
    tokenizer of the model in the folder `base`. Raises OSError, and ModelError for a weight that `dtype` cannot
    hold."""
    shards = _shards(tensors, dtype)
    names = [_shard_name(number, len(shards)) for number in range(len(shards))]
    total = len(tensors.headers)
    done = 0
    for name, shard in zip(names, shards, strict=True):
        with open(folder / name, "wb") as file:
            file.write(_header(tensors, shard, dtype))
            for tensor in shard:
                on_tensor(tensor, done, total)
                _write_tensor(tensors, tensor, dtype, file, workers)
                done += 1
            file.flush()
            os.fsync(file.fileno())
    on_tensor("", total, total)
    if len(shards) > 1:
        weight_map = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        size = sum(header.elements for header in tensors.headers.values()) * FLOAT_BYTES[dtype]
        index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))}
        (folder / "model.safetensors.index.json").write_bytes(_json(index))
    copy_beside_weights(base, folder, dtype)


def copy_beside_weights(base: Path, folder: Path, dtype: str) -> None:
    """Copy what belongs to a model besides its weights, with `dtype` in its config."""
    for pattern in _COPIED:
        for path in sorted(base.glob(pattern)):
            if path.is_file() and path.name not in _NOT_COPIED:
                target = folder / path.relative_to(base)
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, target)
    config = read_model_config(base)
    config.pop("quantization_config", None)
    key = "torch_dtype" if "torch_dtype" in config and "dtype" not in config else "dtype"
    config[key] = _DTYPE_NAMES[dtype]
    (folder / "config.json").write_bytes(_json(config))


def _write_tensor(tensors: MergedTensors, name: str, dtype: str, file: BinaryIO, workers: int) -> None:
    def block(rows: tuple[int, int]) -> bytes:
        return from_float32(tensors.rows(name, *rows), dtype).tobytes()

    try:
        blocks = row_blocks(tensors.headers[name].shape, tensors.row_multiple(name))
        for data in map_in_order(block, blocks, workers):
            file.write(data)
    except NumberTooLarge as error:
        raise too_large(name, dtype) from error


def too_large(name: str, dtype: str) -> WeightTooLarge:
    """The error of a weight that a format cannot hold."""
    what = f"a weight of {safe_line(name, 80)} is no finite number in {_DTYPE_NAMES.get(dtype, dtype)}"
    do = (
        "Choose --type bf16, which holds every number that float32 does" if dtype == "F16" else "Look at the run's loss"
    )
    return WeightTooLarge(what, "", do)


def _shards(tensors: MergedTensors, dtype: str) -> list[list[str]]:
    """The names of the tensors of each file."""
    shards: list[list[str]] = [[]]
    size = 0
    for name, header in tensors.headers.items():
        count = header.elements * FLOAT_BYTES[dtype]
        if shards[-1] and size + count > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += count
    return shards


def _shard_name(number: int, count: int) -> str:
    return "model.safetensors" if count == 1 else f"model-{number + 1:05d}-of-{count:05d}.safetensors"


def _header(tensors: MergedTensors, names: list[str], dtype: str) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name in names:
        header = tensors.headers[name]
        end = offset + header.elements * FLOAT_BYTES[dtype]
        entries[name] = {"dtype": dtype, "shape": header.shape, "data_offsets": [offset, end]}
        offset = end
    content = msgspec.json.encode(entries)
    content += b" " * (-len(content) % 8)
    return len(content).to_bytes(8, "little") + content


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
