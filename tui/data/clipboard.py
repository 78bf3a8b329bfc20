"""A field to the clipboard of the person's own terminal, or to a file where it is too long for that. Knows no rows."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from pathlib import Path

from textual.app import App

from core.base import folders
from core.base.files import private_dir, replace_file
from core.base.safe_text import safe_line

TAKEN = 75_000  # bytes, as they go over the line, beyond which many terminals cut or drop what is copied
AGAIN = 8.0  # seconds in which a second press means the file


class Clipboard:
    """Remembers what was too long, so that the same key pressed again writes it to a file."""

    def __init__(self) -> None:
        self._offered: tuple[str, str] | None = None
        self._when = 0.0

    def copy(self, app: App[object], name: str, text: str) -> str:
        """Send the text; gives what to tell the person. The terminal never answers, so nobody knows whether it took
        it."""
        if not text:
            return "The field is empty."
        size = len(text.encode("utf-8", "surrogatepass"))
        if size * 4 // 3 <= TAKEN and len(b64encode(text.encode("utf-8", "replace"))) <= TAKEN:
            app.copy_to_clipboard(text)
            return f"Sent {len(text):,} characters to the clipboard of your terminal{_TMUX if os.environ.get('TMUX') else ''}."
        path = folders.home() / "copied" / f"{name}.txt"
        if self._offered != (name, text) or time.monotonic() - self._when > AGAIN:
            self._offered, self._when = (name, text), time.monotonic()
            return f"{size // 1000:,} kB is more than terminals take. y again writes it to {safe_line(str(path), 200)}."
        return _write(path, text)


_TMUX = " (tmux passes it on where set-clipboard is on)"


def _write(path: Path, text: str) -> str:
    try:
        private_dir(path.parent)
        replace_file(path, text.encode("utf-8", "surrogatepass"))
    except OSError as error:
        return f"It cannot be written ({error.strerror or error})."
    return f"Written to {safe_line(str(path), 200)}."
