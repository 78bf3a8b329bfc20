"""Which CUDA devices this machine shows, without importing torch. The training process asks torch itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cuda_is_visible() -> bool:
    """Whether NVIDIA's driver is there and CUDA_VISIBLE_DEVICES does not hide its devices."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return not hidden and Path("/dev/nvidiactl").exists()


def first_gpu(variables: Mapping[str, str]) -> str:
    """The GPU that a process with these variables takes where it takes one, as CUDA_VISIBLE_DEVICES names it."""
    return variables.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip() or "0"


def gpus_of_this_process() -> tuple[str, ...]:
    """The GPU that a run started from here takes; none where CUDA is not visible."""
    return (first_gpu(os.environ),) if cuda_is_visible() else ()
