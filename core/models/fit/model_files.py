"""The folder in which a model's config.json is, for the estimate: on this disk, or that one file from the hub."""

from __future__ import annotations

from pathlib import Path

from core.base.errors import ModelError
from core.models.embedded_model import DEMO_MODEL
from core.models.resolve import OnProgress, fetch_from_hub, local_model_folder, resolve_model


def folder_to_estimate(name: str, progress: OnProgress) -> Path:
    """The folder of the model `name` with at least its config.json. Of a hub model that is not on this disk, only that
    file is fetched. Raises ModelError."""
    path = Path(name).expanduser()
    try:
        if path.is_file() and path.name == "config.json":
            return path.parent.absolute()
        if path.is_dir():
            if not (path / "config.json").is_file():
                raise ModelError("there is no config.json in this folder", name, "Name the folder of a model")
            return path.absolute()
    except (OSError, ValueError):
        pass  # not a valid file name; resolve_model raises the error
    if name == DEMO_MODEL:
        return local_model_folder(name, progress)
    resolve_model(name)
    return fetch_from_hub(name, progress, ["config.json"])
