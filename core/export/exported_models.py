"""Loads the models that are compared: the run's own, both ways of merging it, and what was written. Imports torch and
transformers late.

All are computed in the same number format on the same device: float32 where the memory allows, so that a difference is
one of the weights.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import msgspec

from core.models.backend import prepare_imports
from core.models.device_memory import available_bytes
from core.models.export.gguf_reading import read_gguf_model
from core.models.export.merged_tensors import MergedTensors
from core.models.export.number_formats import NumberTooLarge, rounded_to
from core.models.export.row_blocks import row_blocks
from core.models.export.safetensors_writing import too_large

_SHARE = 0.8  # of the free memory that a model may take
_GIB = 1 << 30


class ComputePlace(msgspec.Struct, frozen=True):
    """Where and in which number format models are asked."""

    device: str
    """The device's name in torch."""
    dtype: str
    """The number format's name in torch."""

    @property
    def words(self) -> str:
        """`float32 on cpu`."""
        return f"{self.dtype} on {self.device}"


def choose_place(weights: int) -> ComputePlace | str:
    """Where a model of so many weights can be asked, or why nowhere, as a clause."""
    prepare_imports()
    import torch

    devices = ["cuda:0", "cpu"] if torch.cuda.is_available() else ["cpu"]
    for device in devices:
        for dtype, width in (("float32", 4), ("bfloat16", 2)):
            # while a GGUF file is unpacked, its weights are in memory twice
            if weights * width * (2 if device == "cpu" else 1) < available_bytes(device) * _SHARE:
                return ComputePlace(device, dtype)
    free = available_bytes("cpu") / _GIB
    return (
        f"a model of {weights / 1e9:.1f} billion weights does not fit into the {free:.1f} GiB of memory that are free"
    )


def load_folder(folder: Path, place: ComputePlace, adapter: Path | None = None) -> Any:
    """The model in `folder`, with the adapter in the folder `adapter` where one is named, in evaluation mode."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = getattr(torch, place.dtype)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True).to(place.device)
    return with_adapter(model, adapter) if adapter is not None else model.eval()


def with_adapter(model: Any, adapter: Path) -> Any:
    """The model with its adapter beside it, not merged."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(adapter), is_trainable=False, autocast_adapter_dtype=False).eval()


def load_merged(folder: Path, place: ComputePlace, tensors: MergedTensors, rounding: str) -> Any:
    """The model in `folder` with the weights of `tensors`, rounded as they would be written: nothing is written.
    rounding: a `FloatFormat`. Raises ModelError for a weight that it cannot hold."""
    import torch

    model = load_folder(folder, place)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, header in tensors.headers.items():
            parameter = parameters.get(name, parameters.get(f"model.{name}"))
            if parameter is None:
                continue  # the head of a tied model
            for start, stop in row_blocks(header.shape, tensors.row_multiple(name)):
                try:
                    values = rounded_to(tensors.rows(name, start, stop), rounding)
                except NumberTooLarge as error:
                    raise too_large(name, rounding) from error
                parameter[start:stop].copy_(torch.from_numpy(values))
    return model


def load_gguf(path: Path, place: ComputePlace) -> Any:
    """The model in a GGUF file."""
    return read_gguf_model(path, place.device, place.dtype)


def free_memory() -> None:
    """Give back the memory of models that nothing refers to any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
