"""Finds the folder of a model's tokenizer on this disk. Fetches and makes nothing."""

from __future__ import annotations

from pathlib import Path

from core.models.embedded_model import demo_folder, demo_model_is_ready
from core.models.resolve import resolve_model


def tokenizer_folder(model: str) -> Path | None:
    """The folder with the tokenizer of `model`; None where the model is not on this disk yet. Raises ModelError where
    `model` is not the name of a model."""
    path = Path(model).expanduser()
    try:
        if (path / "tokenizer.json").is_file():  # only the tokenizer is needed, not the weights
            return path.absolute()
    except (OSError, ValueError):
        pass  # not a valid file name; resolve_model raises the error
    ref = resolve_model(model)
    if ref.is_demo:
        return demo_folder() if demo_model_is_ready() else None
    if ref.is_hub:
        from huggingface_hub import try_to_load_from_cache

        cached_file = try_to_load_from_cache(model, "tokenizer.json")
        return Path(cached_file).parent if isinstance(cached_file, str) else None
    return ref.folder
