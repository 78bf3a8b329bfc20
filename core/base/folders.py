"""The folders where Suiron keeps its files. Each is created when it is first used, readable by its owner only (0700).

`$SUIRON_HOME` moves runs and state, `$SUIRON_CACHE` files that can be made again (models, imported data), and
`$SUIRON_CONFIG` the files that the user writes (themes, templates, keys.yaml). All functions raise OSError where the
folder cannot be created.
"""

from __future__ import annotations

import os
from pathlib import Path

from core.base.files import private_dir


def _folder(variable: str, kind: str) -> Path:
    """The folder in the environment variable, otherwise the user's folder of this `kind` on this system."""
    path = os.environ.get(variable)
    if path:
        return private_dir(Path(path).expanduser().absolute())
    import platformdirs  # only where no variable names the folder: it takes 10 ms of every start

    return private_dir(Path(getattr(platformdirs, f"user_{kind}_dir")("suiron", appauthor=False)))


def home() -> Path:
    """The folder for files that must not be lost: runs, edits, the last session."""
    return _folder("SUIRON_HOME", "data")


def cache() -> Path:
    """The folder for files that can be made again: converted models, imported data sets, quality reports."""
    return _folder("SUIRON_CACHE", "cache")


def config() -> Path:
    """The folder for files that the user writes: themes, templates, keys.yaml."""
    return _folder("SUIRON_CONFIG", "config")


def runs() -> Path:
    """The folder with one folder for each run."""
    return private_dir(home() / "runs")


def models() -> Path:
    """The folder for models that Suiron makes itself."""
    return private_dir(cache() / "models")
