"""The names that data sets give to their splits."""

from __future__ import annotations

from collections.abc import Iterable

SPLIT_NAMES = frozenset({"train", "training", "test", "testing", "validation", "valid", "val", "dev", "eval"})
"""In lower case."""


def usual_split(splits: Iterable[str]) -> str:
    """The split that is opened where none is named: `train` or `training`, in any case; empty without either."""
    by_lower_case = {name.lower(): name for name in reversed(list(splits))}
    return by_lower_case.get("train") or by_lower_case.get("training", "")
