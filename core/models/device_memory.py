"""The memory of the device on which a model is held, as torch sees it, and how the model lies there."""

from __future__ import annotations

from core.models.backend import Backend, dtype_name
from core.models.fit.free_memory import DeviceMemory, main_memory
from core.models.fit.training_shape import Placement


def device_memory(device: str, name: str = "") -> DeviceMemory:
    """Of `device` (`cpu`, `cuda:0`), as it is now. name: the GPU's."""
    if not device.startswith("cuda"):
        return main_memory()
    import torch

    free, total = torch.cuda.mem_get_info(torch.device(device))
    return DeviceMemory(int(free), int(total), name or "the GPU")


def available_bytes(device: str) -> int:
    """Free bytes of `device`."""
    return device_memory(device).free


def placement_of(backend: Backend, dtype: str = "auto") -> Placement:
    """How `backend` holds a model whose weights are in `dtype` where they are not quantised."""
    return Placement(
        backend=backend.kind,
        on_gpu=backend.device.startswith("cuda"),
        four_bit=backend.four_bit,
        width=4 if (dtype_name(backend.device) if dtype == "auto" else dtype) == "float32" else 2,
    )
