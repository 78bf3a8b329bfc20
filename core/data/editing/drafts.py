"""What a person was writing into a field when the connection was lost: kept in `<home>/editing/` until they open that
field again.

A draft belongs to one text of one field: where the field has changed since, it is not found again. Knows no journal; a
draft is no edit yet.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from core.base import folders
from core.base.files import private_dir, replace_file


class Draft:
    """source: what is open, with its split; field: the row and the column; text: what stands there now."""

    def __init__(self, source: str, field: str, text: str) -> None:
        said = "\0".join((source, field, text)).encode("utf-8", "surrogatepass")
        self._name = f"draft-{hashlib.blake2b(said, digest_size=12).hexdigest()}.txt"

    def _path(self) -> Path:
        return private_dir(folders.home() / "editing") / self._name

    def read(self) -> str | None:
        """What was being written, or None; also where it cannot be read."""
        with suppress(OSError, UnicodeDecodeError):
            return self._path().read_bytes().decode()
        return None

    def write(self, text: str) -> None:
        """Keep it. Raises OSError."""
        replace_file(self._path(), text.encode("utf-8", "surrogatepass"))

    def drop(self) -> None:
        """It was kept as an edit, or is not wanted."""
        with suppress(OSError):
            self._path().unlink(missing_ok=True)
