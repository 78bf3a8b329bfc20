"""Reads server-sent events from a stream of bytes, bounded: a server may send anything, for ever."""

from __future__ import annotations

from core.base.errors import EngineError

LINE_LIMIT = 1_000_000  # bytes of one event
STREAM_LIMIT = 256_000_000  # bytes of one answer, with everything around its text


class EventReader:
    """The reader of one stream. `feed` returns the data of each event that is complete."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0  # of the event so far
        self._total = 0

    def feed(self, block: bytes) -> list[bytes]:
        """Read a block, cut anywhere. Raises EngineError where the stream is larger than any answer."""
        self._total += len(block)
        if self._total > STREAM_LIMIT:
            raise self._too_large("the server sends more than any answer has")
        if b"\n" not in block:
            self._rest += block
            self._check(len(self._rest))
            return []
        *lines, self._rest = (self._rest + block).split(b"\n")
        events: list[bytes] = []
        for line in lines:
            self._line(line.removesuffix(b"\r"), events)
        self._check(len(self._rest))
        return events

    def close(self) -> list[bytes]:
        """The stream is over: the data of an event that lacks its blank line."""
        events: list[bytes] = []
        self._line(self._rest.removesuffix(b"\r"), events)
        self._line(b"", events)
        self._rest = b""
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
            self._data, self._size = [], 0
        elif line.startswith(b"data:"):
            self._size += len(line)
            self._check(self._size)
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
        # other lines name the event, or are comments that keep the connection open

    def _check(self, size: int) -> None:
        if size > LINE_LIMIT:
            raise self._too_large("the server sends an event without an end")

    def _too_large(self, what: str) -> EngineError:
        return EngineError(what, self._host, "The text so far is kept; ask again, or ask another server")
