"""Where Suiron keeps things. Every folder is made private (0700) when it is first asked for.

`$SUIRON_HOME` moves runs and state, `$SUIRON_CACHE` moves what can be made again (models, imported data),
`$SUIRON_CONFIG` the user's themes.
"""

from __future__ import annotations

import os
from pathlib import Path

from core.base.files import private_dir


def _folder(variable: str, kind: str) -> Path:
    named = os.environ.get(variable)
    if named:
        return private_dir(Path(named).expanduser().absolute())
    import platformdirs  # only where no variable names the folder: 10 ms of every start

    return private_dir(Path(getattr(platformdirs, f"user_{kind}_dir")("suiron", appauthor=False)))


def home() -> Path:
    """Runs and the last session: what must not be lost."""
    return _folder("SUIRON_HOME", "data")


def cache() -> Path:
    """What can be made again: converted models, imported data sets."""
    return _folder("SUIRON_CACHE", "cache")


def config() -> Path:
    """What the user writes: themes."""
    return _folder("SUIRON_CONFIG", "config")


def runs() -> Path:
    return private_dir(home() / "runs")


def models() -> Path:
    return private_dir(cache() / "models")
