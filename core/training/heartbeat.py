"""Writes the run's status: every change and the heartbeat, so that status.json has only one writer."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from typing import Any

import msgspec

from core.runs.run_folder import RunFolder
from core.runs.status_file import FailureCause, RunState, RunStatus

HEARTBEAT_SECONDS = 2.0


class StatusReporter:
    """Writes the status of `run` at every change and every two seconds. A context manager; its end stops the
    heartbeat."""

    def __init__(self, run: RunFolder) -> None:
        now = time.time()
        self._run = run
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._failing = False
        self._status = RunStatus(
            state="starting", pid=os.getpid(), host=socket.gethostname(), started=now, heartbeat=now, message="starting"
        )
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> StatusReporter:
        self.update()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def status(self) -> RunStatus:
        return self._status

    def update(self, **changes: Any) -> None:
        """Replace fields of the status and write it."""
        with self._lock:
            self._status = msgspec.structs.replace(self._status, **changes, heartbeat=time.time())
            self._write()

    def update_later(self, **changes: Any) -> None:
        """Replace fields of the status; the next heartbeat or update writes them. For fields that change many times a
        second."""
        with self._lock:
            self._status = msgspec.structs.replace(self._status, **changes)

    def facts(self, **more: Any) -> None:
        """Add facts to the status and write it."""
        self.update(facts={**self._status.facts, **more})

    def end(self, state: RunState, message: str, error: FailureCause | None = None) -> None:
        """Write the final status; no other is written after it."""
        self._over.set()
        self.update(state=state, message=message, error=error, seconds_left=None)

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            self.update()

    def _write(self) -> None:
        """A full disk must not end the run: the failure is printed once, and the next write tries again."""
        try:
            self._run.write_status(self._status)
            self._failing = False
        except OSError as error:
            if not self._failing:
                print(f"status.json cannot be written: {error}", file=sys.stderr, flush=True)
            self._failing = True
