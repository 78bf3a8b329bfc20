"""Writes a job's status: every change and the beats, so that status.json has only one writer."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from typing import Any

import msgspec

from core.runs.disk_reserve import give_up_disk_reserve
from core.runs.run_folder import RunFolder
from core.runs.status_file import FailureCause, RunStatus, last_written_status

HEARTBEAT_SECONDS = 2.0


class StatusReporter:
    """Writes the status of `run` at every change and every two seconds. A context manager; its end stops the
    beats."""

    def __init__(self, run: RunFolder) -> None:
        before = last_written_status(run.path)
        self._run = run
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._failing = False
        self._status = RunStatus(
            state="starting",
            step=before.step,
            total=before.total,
            pid=os.getpid(),
            host=socket.gethostname(),
            started=before.started or time.time(),
            beats=before.beats,
            message="starting",
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
            self._write(changes)

    def update_later(self, **changes: Any) -> None:
        """Replace fields of the status; the next beat or update writes them. For fields that change many times a
        second."""
        with self._lock:
            if not self._status.over:
                self._status = msgspec.structs.replace(self._status, **changes)

    def end(self, state: str, message: str, error: FailureCause | None = None) -> None:
        """Write the final status; no other is written after it. On a full disk the reserve is given up for it."""
        self._over.set()
        with self._lock:
            if not self._write(
                {"state": state, "message": message, "error": error, "seconds_left": None, "over": True}
            ):
                give_up_disk_reserve(self._run.path)
                self._status = msgspec.structs.replace(self._status, over=False)
                self._write({"over": True})

    def hand_over(self, message: str) -> None:
        """Write a status as of a process that has just been started, and no beats after it: the program that this
        process becomes writes from now on."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self.update(state="starting", pid=0, started=time.time(), message=message)

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            self.update()

    def _write(self, changes: dict[str, Any]) -> bool:
        """A full disk must not end the run: the failure is printed once, and the next write tries again. Nothing is
        written after the final status. Returns whether it was written."""
        if self._status.over:
            return True
        beats = self._status.beats + 1
        self._status = msgspec.structs.replace(self._status, **changes, heartbeat=time.time(), beats=beats)
        try:
            self._run.write_status(self._status)
        except OSError as error:
            if not self._failing:
                print(f"status.json cannot be written: {error}", file=sys.stderr, flush=True)
            self._failing = True
            return False
        self._failing = False
        return True
