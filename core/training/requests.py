"""What others ask of a running run: lines of its control file, and signals. The run looks at its next step; nothing
here interrupts anything."""

from __future__ import annotations

import signal
import sys
import threading

from core.runs.folder import RunFolder


class Stopped(Exception):
    """The run was asked to stop before its first step."""


class Wishes:
    """stop stays once it is asked for; checkpoint is taken by whoever makes one."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._offset = 0
        self._terminated = threading.Event()
        self.stop = False
        self.checkpoint = False

    def heed_signals(self) -> None:
        """TERM means stop, by flag: an exception could tear a file that is being saved. HUP and INT belong to a
        terminal that may go away."""
        signal.signal(signal.SIGTERM, lambda *_: self._terminated.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def look(self) -> None:
        """Read what has been asked since the last look. A disk that cannot be read for a moment is asked again at the
        next step."""
        kinds: list[str] = []
        try:
            kinds, self._offset = self._run.requests(self._offset)
        except OSError as error:
            print(f"control.jsonl cannot be read: {error}", file=sys.stderr, flush=True)
        self.stop = self.stop or "stop" in kinds or self._terminated.is_set()
        self.checkpoint = self.checkpoint or "checkpoint" in kinds

    def take_checkpoint(self) -> bool:
        asked, self.checkpoint = self.checkpoint, False
        return asked

    def stop_early(self) -> None:
        """For the stages before the first step. Raises Stopped."""
        self.look()
        if self.stop:
            raise Stopped
