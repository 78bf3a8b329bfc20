"""Who has loaded a model, and whether they still live. Light: no torch."""

from __future__ import annotations

import os

import msgspec


class ModelHolder(msgspec.Struct, frozen=True):
    """A client that has loaded a model."""

    id: str = ""
    """Its own name, different for each terminal; empty for those that give none, who count as one."""
    pid: int = 0
    """Its process on this machine; 0 where it is not told: it then lives for ever."""

    @property
    def words(self) -> str:
        """The holder, for people."""
        if self.pid:
            return f"another terminal (process {self.pid})"
        return "another client" if self.id else "a client without a name"

    @property
    def lives(self) -> bool:
        """Whether its process still runs."""
        if not self.pid:
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
