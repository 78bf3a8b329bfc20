"""The engine's last status in a file of its folder, for clients that it does not answer at once: while it imports torch
or reads weights, its event loop may stand still for a second. Light: no torch, no HTTP."""

from __future__ import annotations

import logging
import os

import msgspec

from core.engine import launch
from core.engine.protocol import EngineStatus

_log = logging.getLogger("suiron.engine")


class StatusFile:
    """The engine's side. The folder is private, so the file is; a reader sees a whole status or the one before."""

    def __init__(self) -> None:
        self._path = launch.status_path()
        self._is_broken = False

    def write(self, status: EngineStatus) -> None:
        """Replace the status. A full disk costs only this help, and is logged once."""
        part = self._path.with_suffix(".part")
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(status))
            os.replace(part, self._path)  # not synced: it is of no use after a crash
        except OSError as error:
            if not self._is_broken:
                _log.warning("the status file cannot be written: %s", error)
            self._is_broken = True

    def remove(self) -> None:
        """The engine ends."""
        self._path.unlink(missing_ok=True)


def read_status(pid: int) -> EngineStatus | None:
    """The last status that the engine with this process id has written; None where it has written none."""
    try:
        status = msgspec.json.decode(launch.status_path().read_bytes(), type=EngineStatus)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return status if status.pid == pid else None
