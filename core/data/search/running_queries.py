"""The queries that run over one source, and how a newer query cancels the older ones."""

from __future__ import annotations

import threading
from collections.abc import Callable


class QueryInterrupted(Exception):
    """The query was cancelled, because its result is not needed any more."""


class RunningQueries:
    """The queries that run over one source, in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = 0
        self._callbacks: dict[int, Callable[[], None]] = {}

    def ticket(self) -> QueryTicket:
        """A ticket for a query that begins now."""
        with self._lock:
            return QueryTicket(self, self._generation)

    def interrupt(self) -> None:
        """Cancel all queries that have begun."""
        with self._lock:
            self._generation += 1
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def is_stale(self, generation: int) -> bool:
        """Whether queries of this generation are cancelled."""
        return generation != self._generation

    def watch(self, generation: int, key: int, callback: Callable[[], None]) -> None:
        """Call `callback` once when queries of `generation` are cancelled, at once if they already are."""
        with self._lock:
            stale = self.is_stale(generation)
            if not stale:
                self._callbacks[key] = callback
        if stale:
            callback()

    def forget(self, key: int) -> None:
        """Drop the callback of `key`."""
        with self._lock:
            self._callbacks.pop(key, None)


class QueryTicket:
    """Lets one query ask whether it is cancelled."""

    def __init__(self, running: RunningQueries, generation: int) -> None:
        self._running, self._generation = running, generation

    @property
    def stale(self) -> bool:
        """Whether the query is cancelled."""
        return self._running.is_stale(self._generation)

    def check(self) -> None:
        """Raises QueryInterrupted if the query is cancelled."""
        if self.stale:
            raise QueryInterrupted

    def watch(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the query is cancelled, at once if it already is."""
        self._running.watch(self._generation, id(self), callback)

    def forget(self) -> None:
        """Drop the callback."""
        self._running.forget(id(self))
