"""Which CUDA devices this machine shows, without importing torch. The training process asks torch itself."""

from __future__ import annotations

import os
from pathlib import Path


def cuda_is_visible() -> bool:
    """Whether NVIDIA's driver is there and CUDA_VISIBLE_DEVICES does not hide its devices."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return not hidden and Path("/dev/nvidiactl").exists()


def visible_gpus() -> int:
    """How many GPUs NVIDIA's driver shows and CUDA_VISIBLE_DEVICES does not hide."""
    if not cuda_is_visible():
        return 0
    there = sum(path.name.removeprefix("nvidia").isdecimal() for path in Path("/dev").glob("nvidia*"))
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return there if named is None else min(there, len(named.split(",")))
