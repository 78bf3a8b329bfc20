"""Saves a run's adapter, completely or not at all, and marks its checkpoints as complete."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

from core.base import files

ORIGIN_FILE = "suiron.json"
_LAST = "adapter_config.json"  # readers take the adapter as complete once this file exists
_NEEDED = ("adapter_config.json", "adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")


class AdapterOrigin(msgspec.Struct, frozen=True):
    """suiron.json beside an adapter: its base model and its run."""

    base_model: str
    """The base model's name, as in the specification."""
    base_folder: str
    """The folder of the base model."""
    run: str
    """The run's id."""
    step: int
    """Optimizer steps of its training."""


def save_adapter(model: Any, target: Path, about: AdapterOrigin) -> None:
    """Write the adapter of the PeftModel `model` to `target`. A reader sees the old one, none, or the complete new one.
    Raises OSError."""
    fresh = target.with_name(f"{target.name}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    files.private_dir(fresh)
    model.save_pretrained(str(fresh), safe_serialization=True)
    files.replace_file(fresh / ORIGIN_FILE, msgspec.json.encode(about))
    (fresh / "README.md").unlink(missing_ok=True)  # a model card of placeholders
    for path in fresh.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    # A folder cannot replace a folder with files: the old one first stops being an adapter, then it is removed.
    if target.exists():
        (target / _LAST).unlink(missing_ok=True)
        shutil.rmtree(target)
    fresh.rename(target)


def mark_checkpoint_complete(checkpoint: Path, about: AdapterOrigin) -> None:
    """Mark a completely written checkpoint: the mark lists every file and its size."""
    sizes = {
        path.name: path.stat().st_size
        for path in sorted(checkpoint.iterdir())
        if path.is_file() and path.name != ORIGIN_FILE
    }
    files.replace_file(checkpoint / ORIGIN_FILE, msgspec.json.encode({**msgspec.to_builtins(about), "files": sizes}))


def checkpoint_is_complete(checkpoint: Path) -> bool:
    """Whether `checkpoint` is marked as complete and its files have the sizes in the mark."""
    try:
        sizes = msgspec.json.decode((checkpoint / ORIGIN_FILE).read_bytes())["files"]
        return all(name in sizes for name in _NEEDED) and all(
            (checkpoint / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return False


def remove_incomplete_checkpoints(checkpoints: Path) -> None:
    """Remove incomplete checkpoints, for example after a full disk."""
    for checkpoint in checkpoints.glob("checkpoint-*"):
        if not checkpoint_is_complete(checkpoint):
            shutil.rmtree(checkpoint, ignore_errors=True)
