"""What safetensors files say of themselves: their tensors, and whether a file is as long as it says. Reads headers,
never weights."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError
from core.base.safe_text import safe_line

_WIDTH = {  # bits of one element
    **{"BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8},
    **{
        "I16": 16,
        "U16": 16,
        "F16": 16,
        "BF16": 16,
        "I32": 32,
        "U32": 32,
        "F32": 32,
        "F64": 64,
        "I64": 64,
        "U64": 64,
        "C64": 64,
    },
    **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6},
}
_LONGEST_HEADER = 100_000_000  # the format's own limit
_AGAIN = "Copy or download the file again"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class Tensor(msgspec.Struct, frozen=True):
    """One entry of a header. data_offsets: its first and its last byte but one, counted from the end of the header."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors that `path` declares, by name. Raises ModelError where the file is no safetensors, or shorter or
    longer than it says."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if len(start) < 8 or length < 2 or length > _LONGEST_HEADER:
                raise ModelError(f"this is no safetensors file ({size} bytes, no header)", str(path), _AGAIN)
            if 8 + length > size:
                raise ModelError(
                    f"the file is cut short: its header alone needs {8 + length} bytes and {size} are there",
                    str(path),
                    _AGAIN,
                )
            raw = file.read(length)
    except OSError as error:
        raise ModelError(
            f"the file cannot be read ({error.strerror})", str(path), "Check the path and who may read it"
        ) from error
    try:
        words: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
        tensors = {name: msgspec.convert(entry, Tensor) for name, entry in words.items() if name != "__metadata__"}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(
            "the header of this safetensors file cannot be read: the file is corrupt", str(path), _AGAIN
        ) from error
    _check_layout(path, tensors, size - 8 - length)
    return tensors


def _check_layout(path: Path, tensors: dict[str, Tensor], there: int) -> None:
    """The tensors must tile the rest of the file exactly, as the format demands."""
    place = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        begin, end = tensor.data_offsets
        width = _WIDTH.get(tensor.dtype)
        if width is None:
            raise ModelError(
                f"the tensor {safe_line(name, 80)} has the unknown type {safe_line(tensor.dtype, 20)}",
                str(path),
                _AGAIN,
            )
        if begin != place or any(n < 0 for n in tensor.shape) or (end - begin) * 8 != tensor.elements * width:
            raise ModelError(
                f"the header of this safetensors file contradicts itself at {safe_line(name, 80)}: the file is corrupt",
                str(path),
                _AGAIN,
            )
        place = end
    if place != there:
        how = "cut short" if there < place else "too long"
        raise ModelError(
            f"the file is {how}: its header declares {place} bytes of weights and {there} are there", str(path), _AGAIN
        )


def weight_files(folder: Path, *, check: bool = False) -> list[Path]:
    """The safetensors files that make up the model in `folder`: the one, or all shards of its index. Reads every header
    where `check`.

    Raises ModelError where there are none, a shard is missing, or (with `check`) one is corrupt or lacks a tensor that
    the index promises.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        if check:
            read_header(single)
        return [single]
    if not index.is_file():
        raise _no_weights(folder)
    placed = _read_index(index)
    shards = [folder / name for name in sorted(set(placed.values()))]
    for shard in shards:
        if not shard.is_file():
            raise ModelError(
                f"the part {safe_line(shard.name, 100)} of the weights is missing",
                str(folder),
                "Download or copy it into the folder",
            )
        if check:
            promised = {tensor for tensor, name in placed.items() if name == shard.name}
            if missing := promised - read_header(shard).keys():
                what = f"the tensor {safe_line(min(missing), 80)} is not in it, though the index says so"
                raise ModelError(what, str(shard), _AGAIN)
    return shards


def tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of the model in `folder`, by name. Raises ModelError."""
    return {name: tensor for file in weight_files(folder) for name, tensor in read_header(file).items()}


def weights_bytes(folder: Path) -> int:
    """Bytes that the weights take in the files of `folder`. Raises ModelError."""
    return sum(end - begin for begin, end in (tensor.data_offsets for tensor in tensors(folder).values()))


def parameters(folder: Path) -> int:
    """Numbers stored in the weights of `folder`; packed formats (4-bit) store several parameters in one. Raises
    ModelError."""
    return sum(tensor.elements for tensor in tensors(folder).values())


def _read_index(index: Path) -> dict[str, str]:
    try:
        placed = msgspec.convert(msgspec.json.decode(index.read_bytes())["weight_map"], dict[str, str])
    except OSError as error:
        raise ModelError(f"the file cannot be read ({error.strerror})", str(index), "Check who may read it") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ModelError("the index of the weights cannot be read", str(index), _AGAIN) from error
    if not placed or any(not name or Path(name).name != name for name in placed.values()):
        raise ModelError(
            "the index of the weights names no files of this folder", str(index), _AGAIN
        )  # `..` must not lead out of it
    return placed


def _no_weights(folder: Path) -> ModelError:
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles:
        return ModelError(
            f"its weights are pickles ({', '.join(safe_line(name, 60) for name in pickles[:3])}), which can run code when they are loaded",
            str(folder),
            "Convert them where you trust them: load with transformers, then save_pretrained(folder), which writes safetensors",
        )
    if gguf := [name for name in names if name.endswith(".gguf")]:
        do = "Convert it: AutoModelForCausalLM.from_pretrained(folder, gguf_file=...), then save_pretrained(folder)"
        return ModelError(
            f"there is only a GGUF file ({safe_line(gguf[0], 60)}), which cannot be trained", str(folder), do
        )
    there = ", ".join(safe_line(name, 60) for name in names[:6]) or "nothing"
    return ModelError(
        f"there are no weights (model.safetensors); there is {there}",
        str(folder),
        "Copy or download the weights into the folder",
    )
