"""Names that a specification may use: learning rate schedules, optimizers, programs that get a copy of the numbers.

The training libraries have more names. Listed are those that work with the settings that a run has; a test compares
with the library.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SCHEDULERS = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
)
"""Schedules that need no setting besides the warm-up."""
OPTIMIZERS = ("auto", "adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop")
"""Optimizers that run on every device."""
CUDA_OPTIMIZERS = (
    "adamw_8bit",
    "adamw_bnb_8bit",
    "ademamix",
    "ademamix_8bit",
    "lion_8bit",
    "lion_32bit",
    "paged_adamw_8bit",
    "paged_adamw_32bit",
    "paged_ademamix_8bit",
    "paged_ademamix_32bit",
    "paged_lion_8bit",
    "paged_lion_32bit",
    "rmsprop_bnb",
    "rmsprop_bnb_8bit",
    "rmsprop_bnb_32bit",
)
"""Optimizers of bitsandbytes, for which a run needs CUDA."""


def nearest_name(name: str, names: Iterable[str]) -> str:
    """The one of `names` that is spelt most like `name`; empty where none is close."""
    return next(iter(difflib.get_close_matches(name, list(names), 1, 0.55)), "")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """What to do about an unknown name, as a clause."""
    known = list(names)
    nearest = nearest_name(name, known)
    return f"Write {nearest}, if that is meant" if nearest else f"Choose one of {', '.join(known)}"
