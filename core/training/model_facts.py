"""What tells one base model's files from another's, without reading all of its weights."""

from __future__ import annotations

import hashlib
import re
from importlib import metadata
from pathlib import Path

_SAMPLE = 64 * 1024  # bytes at the start, in the middle and at the end of each file of weights
_LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "tokenizers", "bitsandbytes", "unsloth")


def model_fingerprint(folder: Path) -> str:
    """32 hex digits of config.json, and of the names, sizes and some bytes of the weights. Copies of a model have the
    same. Raises OSError."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size} ".encode())
        with open(path, "rb") as file:
            for start in (0, size // 2, max(0, size - _SAMPLE)):
                file.seek(start)
                digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


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
