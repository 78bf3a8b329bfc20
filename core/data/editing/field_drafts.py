"""Drafts: the unsaved text of a field after the connection was lost, kept in `<home>/editing/`.

A draft is kept until its field is opened again. It belongs to one text of one field and is not found once the field has
another text. A draft is not an edit yet and is in no journal.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from core.base import folders
from core.base.files import private_dir, replace_file


class FieldDraft:
    """The draft of one field."""

    def __init__(self, source: str, field: str, text: str) -> None:
        """`source` is the data set with its split, `field` the row and the column, `text` the field's current text."""
        name = "\0".join((source, field, text)).encode("utf-8", "surrogatepass")
        self._file_name = f"draft-{hashlib.blake2b(name, digest_size=12).hexdigest()}.txt"

    def _path(self) -> Path:
        return private_dir(folders.home() / "editing") / self._file_name

    def read(self) -> str | None:
        """The draft; None if there is none or it cannot be read."""
        with suppress(OSError, UnicodeDecodeError):
            return self._path().read_bytes().decode()
        return None

    def write(self, text: str) -> None:
        """Save the draft. Raises OSError."""
        replace_file(self._path(), text.encode("utf-8", "surrogatepass"))

    def drop(self) -> None:
        """Delete the draft, because it became an edit or was discarded."""
        with suppress(OSError):
            self._path().unlink(missing_ok=True)
