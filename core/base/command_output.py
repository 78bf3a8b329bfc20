"""The output of a headless command: text for the user or JSON lines for programs. Makes foreign text safe."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

import msgspec

from core.base.errors import SuironError, error_record
from core.base.safe_text import UNSAFE, safe_text


class CommandOutput:
    """The output of one command. `text` prints only without `json`, `record` only with it. `note` prints on standard
    error in both modes."""

    def __init__(self, json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.json = json
        self._out = out or sys.stdout
        self._err = err or sys.stderr

    def text(self, words: str = "", end: str = "\n") -> None:
        """Print text for the user."""
        if not self.json:
            self._out.write(safe_text(words) + end)
            self._out.flush()

    def record(self, value: Any) -> None:
        """Print one JSON object as a line. JSON escapes C0 controls itself; C1 controls and characters that hide text
        are escaped here, so that the line may be shown on a terminal."""
        if self.json:
            try:
                line = msgspec.json.encode(value).decode()
            except UnicodeEncodeError:  # a file name that is not UTF-8: Python keeps its bytes as lone surrogates
                line = json.dumps(msgspec.to_builtins(value))
            self._out.write(UNSAFE.sub(lambda match: json_escape(match.group()), line) + "\n")
            self._out.flush()

    def note(self, words: str) -> None:
        """Print a line on standard error."""
        self._err.write(safe_text(words) + "\n")
        self._err.flush()

    def error(self, error: SuironError) -> None:
        """Print an error: as a note, and as a record for programs."""
        self.note(f"Suiron: {error}")  # first: standard output may be what failed
        self.record({"error": {**error_record(error), "exit_code": error.exit_code}})

    @property
    def live(self) -> bool:
        """Whether a line of progress may be rewritten in place."""
        return not self.json and self._err.isatty()

    def progress(self, words: str) -> None:
        """Print one line on standard error, rewritten in place on a terminal. Prints nothing elsewhere."""
        if self.live:
            self._err.write("\r\x1b[K" + safe_text(words).replace("\n", " ")[:200])
            self._err.flush()

    def progress_done(self) -> None:
        """Remove the line of progress."""
        if self.live:
            self._err.write("\r\x1b[K")
            self._err.flush()


def json_escape(character: str) -> str:
    r"""`\uXXXX` for one character, as the two halves of its UTF-16 pair beyond the first plane."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
