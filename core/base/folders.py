"""Where Suiron keeps its files. Every folder is created when it is first asked for, readable by its owner only (0700).

`$SUIRON_HOME` moves runs and state, `$SUIRON_CACHE` what can be made again (models, imported data), `$SUIRON_CONFIG`
what the user writes (themes, templates, keys). All functions raise OSError where the folder cannot be created.
"""

from __future__ import annotations

import os
from pathlib import Path

from core.base.files import private_dir


def _folder(variable: str, kind: str) -> Path:
    """The folder that the environment variable names, otherwise the user's own `kind` of folder on this system."""
    path = os.environ.get(variable)
    if path:
        return private_dir(Path(path).expanduser().absolute())
    import platformdirs  # only where no variable names the folder: it takes 10 ms of every start

    return private_dir(Path(getattr(platformdirs, f"user_{kind}_dir")("suiron", appauthor=False)))


def home() -> Path:
    """What must not be lost: runs, edits, the last session."""
    return _folder("SUIRON_HOME", "data")


def cache() -> Path:
    """What can be made again: converted models, imported data sets, answers about rows."""
    return _folder("SUIRON_CACHE", "cache")


def config() -> Path:
    """What the user writes: themes, templates, keys.yaml."""
    return _folder("SUIRON_CONFIG", "config")


def runs() -> Path:
    """One folder for each run."""
    return private_dir(home() / "runs")


def models() -> Path:
    """Models that Suiron made itself."""
    return private_dir(cache() / "models")
