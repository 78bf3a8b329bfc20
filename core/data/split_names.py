"""The names that data sets give to their splits."""

from __future__ import annotations

SPLIT_NAMES = frozenset({"train", "training", "test", "testing", "validation", "valid", "val", "dev", "eval"})
"""In lower case."""
