"""Which CUDA devices this machine shows, without importing torch. The training process asks torch itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cuda_is_visible() -> bool:
    """Whether NVIDIA's driver is there and CUDA_VISIBLE_DEVICES does not hide its devices."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return not hidden and Path("/dev/nvidiactl").exists()


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that NVIDIA's driver shows and CUDA_VISIBLE_DEVICES does not hide, as that names them."""
    if not cuda_is_visible():
        return ()
    there = sum(path.name.removeprefix("nvidia").isdecimal() for path in Path("/dev").glob("nvidia*"))
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = map(str, range(there)) if named is None else (name.strip() for name in named.split(",")[:there])
    return tuple(names)


def first_gpu(variables: Mapping[str, str]) -> str:
    """The GPU that a process with these variables takes where it takes one, as CUDA_VISIBLE_DEVICES names it."""
    return variables.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip() or "0"


def gpus_of_this_process(count: int = 1) -> tuple[str, ...]:
    """The GPUs that a run of `count` GPUs takes where it is started from here: the first ones, at least one; none where
    CUDA is not visible."""
    if not cuda_is_visible():
        return ()
    return visible_gpus()[:count] or (first_gpu(os.environ),)
