"""The run's console.log as a stream that survives a full disk: lost text does not end the run."""

from __future__ import annotations

import contextlib
from typing import Any, TextIO


class DiskFullSafeStream:
    """Replaces sys.stdout and sys.stderr; passes everything except writing on to the stream."""

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
