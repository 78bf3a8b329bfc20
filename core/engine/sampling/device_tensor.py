"""Small host values as a tensor on the device, without waiting for the work that the device has queued."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def device_tensor(values: Sequence[Any], device: torch.device, dtype: torch.dtype | None = None) -> torch.Tensor:
    """`torch.tensor(values)` on `device`. On a GPU it goes through pinned memory: `torch.tensor(..., device=...)` waits
    until everything queued before it is done."""
    if device.type != "cuda":
        return torch.tensor(values, dtype=dtype, device=device)
    return torch.tensor(values, dtype=dtype, pin_memory=True).to(device, non_blocking=True)
