"""Copies a field to the clipboard of the user's terminal, or to a file where it is too long for that. Knows no rows."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from pathlib import Path

from textual.app import App

from core.base import folders
from core.base.files import private_dir, replace_file
from core.base.plural import counted
from core.base.safe_text import safe_line
from tui.actions import key_of

CLIPBOARD_LIMIT = 75_000  # bytes of base64 on the line, beyond which many terminals cut or drop what is copied
CONFIRM_WITHIN = 8.0  # seconds in which a second press writes the file
_TMUX_WORDS = " (tmux passes it on if set-clipboard is on)"


class FieldCopier:
    """Remembers the text that was too long, so that the same key pressed again writes it to a file."""

    def __init__(self) -> None:
        self._offered: tuple[str, str] | None = None
        self._offered_at = 0.0

    def copy_field(self, app: App[object], name: str, text: str) -> str:
        """Send the text. Returns the message for the user. name: of the file, without its suffix.

        The terminal never answers, so nobody knows whether it took the text.
        """
        if not text:
            return "The field is empty."
        size = len(text.encode("utf-8", "surrogatepass"))
        if size * 4 // 3 <= CLIPBOARD_LIMIT and len(b64encode(text.encode("utf-8", "replace"))) <= CLIPBOARD_LIMIT:
            app.copy_to_clipboard(text)
            tmux = _TMUX_WORDS if os.environ.get("TMUX") else ""
            return f"Sent {counted(len(text), 'character')} to the clipboard of your terminal{tmux}."
        path = folders.home() / "copied" / f"{name}.txt"
        is_confirmed = self._offered == (name, text) and time.monotonic() - self._offered_at <= CONFIRM_WITHIN
        if is_confirmed:
            return _write_copy(path, text)
        self._offered, self._offered_at = (name, text), time.monotonic()
        key = key_of("data.copy_field")
        target = safe_line(str(path), 200)
        return f"{size // 1000:,} kB is more than terminals accept. {key} again writes it to {target}."


def _write_copy(path: Path, text: str) -> str:
    try:
        private_dir(path.parent)
        replace_file(path, text.encode("utf-8", "surrogatepass"))
    except OSError as error:
        return f"The file cannot be written ({error.strerror or error})."
    return f"Written to {safe_line(str(path), 200)}."
