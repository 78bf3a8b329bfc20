"""Requests to a run in training: lines of its control file, and signals. The run reads them at its next step."""

from __future__ import annotations

import signal
import sys
import threading

from core.runs.run_folder import RunFolder


class StoppedBeforeFirstStep(Exception):
    """The run was asked to stop before its first step."""


class RunRequests:
    """The requests that the run has not done yet."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._offset = 0
        self._terminated = threading.Event()
        self.stop = False
        """Stop after this step. Stays True once it is requested."""
        self.checkpoint = False
        """Save a checkpoint after this step; see `take_checkpoint`."""

    def catch_signals(self) -> None:
        """SIGTERM requests a stop with a flag, since an exception could interrupt saving a file. SIGHUP and SIGINT come
        from a terminal that may close, and are ignored."""
        signal.signal(signal.SIGTERM, lambda *_: self._terminated.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def read_new(self) -> None:
        """Read the requests since the last time. Where the disk cannot be read, the next step tries again."""
        kinds: list[str] = []
        try:
            kinds, self._offset = self._run.requests(self._offset)
        except OSError as error:
            print(f"control.jsonl cannot be read: {error}", file=sys.stderr, flush=True)
        self.stop = self.stop or "stop" in kinds or self._terminated.is_set()
        self.checkpoint = self.checkpoint or "checkpoint" in kinds

    def take_checkpoint(self) -> bool:
        """Whether a checkpoint is requested; the request then counts as done."""
        requested = self.checkpoint
        self.checkpoint = False
        return requested

    def raise_if_stopped(self) -> None:
        """Raises StoppedBeforeFirstStep where a stop is requested. For the stages before the first step."""
        self.read_new()
        if self.stop:
            raise StoppedBeforeFirstStep
