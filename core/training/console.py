"""The run's console.log as a stream that survives a full disk: what cannot be written is lost, and the run goes on."""

from __future__ import annotations

import contextlib
from typing import Any, TextIO


class DiskFullSafeStream:
    """Replaces sys.stdout and sys.stderr; everything but writing is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
