"""Reads the headers of safetensors files: the tensors of a model, and whether each file is complete."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError
from core.base.safe_text import safe_line

_DTYPES_BY_BITS = {
    4: ("F4",),
    6: ("F6_E2M3", "F6_E3M2"),
    8: ("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"),
    16: ("I16", "U16", "F16", "BF16"),
    32: ("I32", "U32", "F32"),
    64: ("I64", "U64", "F64", "C64"),
}
_BITS = {dtype: bits for bits, dtypes in _DTYPES_BY_BITS.items() for dtype in dtypes}  # of one element
_LONGEST_HEADER = 100_000_000  # the format's own limit
_MOST_DIMENSIONS = 16
_AGAIN = "Copy or download the file again"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class TensorHeader(msgspec.Struct, frozen=True):
    """One entry of a file's header."""

    dtype: str
    """The number format's name in safetensors (`BF16`)."""
    shape: list[int]
    """The dimensions, in elements."""
    data_offsets: tuple[int, int]
    """The first byte, and the first byte after the last; counted from the end of the header."""

    @property
    def elements(self) -> int:
        """The number of elements. Packed formats (4-bit) store several parameters in one."""
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, TensorHeader]:
    """The tensors of the file `path`, by name. Raises ModelError where it is not a safetensors file, or its size does
    not match its header."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if len(start) < 8 or length < 2 or length > _LONGEST_HEADER:
                raise ModelError(f"this is not a safetensors file ({size} bytes, no header)", str(path), _AGAIN)
            if 8 + length > size:
                what = f"the file is cut short: its header alone has {8 + length} bytes, the file has {size}"
                raise ModelError(what, str(path), _AGAIN)
            raw = file.read(length)
    except OSError as error:
        what = f"the file cannot be read ({error.strerror})"
        raise ModelError(what, str(path), "Check the path and who may read it") from error
    try:
        entries: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
        entries.pop("__metadata__", None)
        tensors = msgspec.convert(entries, dict[str, TensorHeader])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = "the header of this safetensors file cannot be read: the file is corrupt"
        raise ModelError(what, str(path), _AGAIN) from error
    _check_layout(path, tensors, size - 8 - length)
    return tensors


def _check_layout(path: Path, tensors: dict[str, TensorHeader], data_bytes: int) -> None:
    """Raises ModelError unless the tensors fill the `data_bytes` after the header without gaps, as the format
    requires."""
    offset = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        begin, end = tensor.data_offsets
        bits = _BITS.get(tensor.dtype)
        if bits is None:
            what = f"the tensor {safe_line(name, 80)} has the unknown type {safe_line(tensor.dtype, 20)}"
            raise ModelError(what, str(path), _AGAIN)
        if len(tensor.shape) > _MOST_DIMENSIONS:  # the product of a million sizes takes minutes
            what = f"the tensor {safe_line(name, 80)} has {len(tensor.shape)} dimensions: the file is corrupt"
            raise ModelError(what, str(path), _AGAIN)
        right_size = (end - begin) * 8 == tensor.elements * bits
        if begin != offset or not right_size or any(size < 0 for size in tensor.shape):
            what = f"the header of this safetensors file contradicts itself at {safe_line(name, 80)}: it is corrupt"
            raise ModelError(what, str(path), _AGAIN)
        offset = end
    if offset != data_bytes:
        how = "cut short" if data_bytes < offset else "too long"
        what = f"the file is {how}: its header declares {offset} bytes of weights, the file has {data_bytes}"
        raise ModelError(what, str(path), _AGAIN)


def weight_files(folder: Path, *, check: bool = False) -> list[Path]:
    """The safetensors files of the model in `folder`: the single one, or all shards of its index. With `check`, every
    header is read.

    Raises ModelError where there are none, a shard is missing, or (with `check`) a file is corrupt or lacks a tensor of
    the index.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        if check:
            read_header(single)
        return [single]
    if not index.is_file():
        raise _no_weights(folder)
    shard_names = _read_index(index)
    shards = [folder / name for name in sorted(set(shard_names.values()))]
    for shard in shards:
        if not shard.is_file():
            raise ModelError(
                f"the part {safe_line(shard.name, 100)} of the weights is missing",
                str(folder),
                "Download or copy it into the folder",
            )
        if check:
            expected = {tensor for tensor, name in shard_names.items() if name == shard.name}
            if missing := expected - read_header(shard).keys():
                what = f"the tensor {safe_line(min(missing), 80)} is in the index but not in this file"
                raise ModelError(what, str(shard), _AGAIN)
    return shards


def read_tensors(folder: Path) -> dict[str, TensorHeader]:
    """All tensors of the model in `folder`, by name. Raises ModelError."""
    return {name: tensor for file in weight_files(folder) for name, tensor in read_header(file).items()}


def _read_index(index: Path) -> dict[str, str]:
    """The file name of each tensor."""
    try:
        shard_names = msgspec.convert(msgspec.json.decode(index.read_bytes())["weight_map"], dict[str, str])
    except OSError as error:
        raise ModelError(f"the file cannot be read ({error.strerror})", str(index), "Check who may read it") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError, RecursionError) as error:
        raise ModelError("the index of the weights cannot be read", str(index), _AGAIN) from error
    # `..` must not leave the folder
    outside = any(not name or Path(name).name != name for name in shard_names.values())
    if not shard_names or outside:
        raise ModelError("the index of the weights has no files of this folder", str(index), _AGAIN)
    return shard_names


def _no_weights(folder: Path) -> ModelError:
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    pickles = [safe_line(name, 60) for name in names if name.endswith(_PICKLES)]
    if pickles:
        return ModelError(
            f"its weights are pickles ({', '.join(pickles[:3])}), which can run code when they are loaded",
            str(folder),
            "Convert them on a machine where you trust them: load with transformers, then save_pretrained(folder), "
            "which writes safetensors",
        )
    if gguf := [safe_line(name, 60) for name in names if name.endswith(".gguf")]:
        do = "Convert it: AutoModelForCausalLM.from_pretrained(folder, gguf_file=...), then save_pretrained(folder)"
        return ModelError(f"there is only a GGUF file ({gguf[0]}), which cannot be trained", str(folder), do)
    existing = ", ".join(safe_line(name, 60) for name in names[:6]) or "nothing"
    what = f"there are no weights (model.safetensors); there is {existing}"
    return ModelError(what, str(folder), "Copy or download the weights into the folder")
