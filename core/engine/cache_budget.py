"""How much memory kept caches may take."""

from __future__ import annotations

from typing import Any

import psutil

_SHARE_CUDA, _SHARE_CPU = 0.4, 0.2
_MOST_CPU = 4 << 30  # bytes: on a CPU re-reading is slow, but the machine is not ours alone


def cache_budget(device: Any) -> int:
    """Bytes that kept caches may take: a part of what is free after the model was loaded."""
    if device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        return int(free * _SHARE_CUDA)
    return min(_MOST_CPU, int(psutil.virtual_memory().available * _SHARE_CPU))
