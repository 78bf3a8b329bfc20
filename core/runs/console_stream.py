"""A log as a stream that survives a full disk, where lost text does not end the process, and that keeps no token."""

from __future__ import annotations

import contextlib
from typing import Any, TextIO

from core.base.without_tokens import without_tokens


class DiskFullSafeStream:
    """Replaces sys.stdout and sys.stderr; passes everything except writing on to the stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(without_tokens(text))
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
