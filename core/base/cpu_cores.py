"""How many CPU cores this process may use, and how numpy uses them."""

from __future__ import annotations

import os


def available_cores() -> int:
    """The cores this process may use; in a container these can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def numpy_on_one_core() -> None:
    """Let each of numpy's matrix products stay on one core: for a process whose own threads multiply at the same time,
    which would otherwise wait for each other's. To be called before numpy is imported; a setting of the user's stays.
    Leaves torch as it is."""
    for variable in ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(variable, "1")
