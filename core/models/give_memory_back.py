"""Gives memory back to the system and to the GPU's other programs once a model is no longer used.

Without it, freed weights stay with this process: Python's circles wait for the collector, torch keeps blocks of the
GPU, and the C library keeps pages of main memory.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from functools import cache
from typing import Any


def give_memory_back() -> None:
    """Give back what is no longer referred to. Drop every reference to the model first. Imports nothing heavy: where
    torch is not loaded, it holds nothing."""
    gc.collect()  # modules refer to each other in circles
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    """`malloc_trim` of glibc; None with another C library."""
    try:
        return ctypes.CDLL(None).malloc_trim if sys.platform == "linux" else None
    except (OSError, AttributeError):
        return None
