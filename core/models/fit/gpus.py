"""Known GPUs, by their memory as CUDA reports it."""

from __future__ import annotations

import re

import msgspec

from core.base.errors import UsageError


class Gpu(msgspec.Struct, frozen=True):
    """A kind of GPU."""

    name: str
    """Its short name."""
    gib: float
    """Its memory as CUDA reports it, in GiB: a little below the number in its name."""


GPUS = (
    Gpu("T4", 14.6),
    Gpu("V100-16", 15.8),
    Gpu("V100-32", 31.7),
    Gpu("P100", 15.9),
    Gpu("L4", 22.0),
    Gpu("A10", 22.0),
    Gpu("L40S", 44.4),
    Gpu("A40", 44.4),
    Gpu("A100-40", 39.4),
    Gpu("A100-80", 79.2),
    Gpu("H100", 79.1),
    Gpu("H200", 139.7),
    Gpu("B200", 178.3),
    Gpu("RTX3060", 11.7),
    Gpu("RTX3090", 23.6),
    Gpu("RTX4080", 15.6),
    Gpu("RTX4090", 23.5),
    Gpu("RTX5080", 15.5),
    Gpu("RTX5090", 31.4),
    Gpu("RTX6000-ADA", 47.4),
    Gpu("A6000", 47.4),
)


def find_gpu(name: str) -> Gpu:
    """The GPU called `name`, in any case, with or without dashes and blanks, or a size such as `24GiB`. Raises
    UsageError."""
    wanted = _plain(name)
    for gpu in GPUS:
        if wanted in (_plain(gpu.name), _plain(f"nvidia {gpu.name}"), _plain(f"{gpu.name}-80GB")):
            return gpu
    if size := re.fullmatch(r"([\d.]+)gi?b", wanted):
        return Gpu(name, float(size.group(1)))
    known = ", ".join(gpu.name for gpu in GPUS)
    raise UsageError("this GPU is not known", name, f"Name one of {known}; or its memory, such as 24GiB")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())
