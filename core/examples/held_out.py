"""What values of sysflag mean: which rows are kept out of training to be measured with."""

from __future__ import annotations

HELD_OUT = frozenset(
    {"test", "eval", "evaluation", "valid", "validation", "val", "dev", "holdout", "held-out", "held_out", "heldout"}
)


def held_out(sysflag: str) -> bool:
    return sysflag.strip().casefold() in HELD_OUT
