"""Whether this machine shows a CUDA device, without importing torch. The training process asks torch itself."""

from __future__ import annotations

import os
from pathlib import Path


def cuda_is_visible() -> bool:
    """Whether NVIDIA's driver is there and CUDA_VISIBLE_DEVICES does not hide its devices."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return not hidden and Path("/dev/nvidiactl").exists()
