"""Where a base model comes from, and the libraries that decide a run's numbers."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

_LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "tokenizers", "bitsandbytes", "unsloth")


def model_revision(folder: Path) -> str:
    """The commit of a model in the hub's cache; empty for other folders."""
    is_snapshot = folder.parent.name == "snapshots" and re.fullmatch(r"[0-9a-f]{40}", folder.name)
    return folder.name if is_snapshot else ""


def library_versions() -> dict[str, str]:
    """The versions of the libraries that decide a run's numbers, of those installed."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
