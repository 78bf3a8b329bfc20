"""Signals that ask a job to end: SIGTERM and SIGUSR1, which batch systems send before they kill.

A thread hears them, because the main thread may be inside a library for a long time. What it does with them depends on
what the job is doing: while it loads, nothing is lost and it ends at once; while it works, it saves at its next step,
and is ended by force where that takes too long.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

SECONDS_TO_SAVE = 22.0  # from the signal on; batch systems kill after 30


class Termination:
    """Whether the process was asked to end by a signal. end_now: called in the thread, with the signal's name, where
    the process must end at once; it must not return."""

    def __init__(self, end_now: Callable[[str], None]) -> None:
        self._end_now = end_now
        self._asked = threading.Event()
        self._may_save = False
        self._lock = threading.Lock()
        self.signal_name = ""
        """The first signal that came; empty before."""

    @property
    def asked(self) -> bool:
        """Whether a signal came. Set in another thread, so that it is also seen in the middle of a step."""
        return self._asked.is_set()

    def wait(self) -> None:
        """Wait until a signal comes."""
        self._asked.wait()

    def catch_signals(self) -> None:
        """Listen from now on. SIGHUP and SIGINT come from a terminal that may close, and are ignored. Only in the main
        thread."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        threading.Thread(target=self._listen, args=(reading,), name="signals", daemon=True).start()

    def saves_itself(self) -> None:
        """From now on the job looks at `asked` at each step, saves and ends."""
        with self._lock:
            self._may_save = True
            ends_now = self.asked
        if ends_now:
            self._end_now(self.signal_name)

    def _listen(self, reading: int) -> None:
        names = {int(number): signal.Signals(number).name for number in (signal.SIGTERM, signal.SIGUSR1)}
        while True:
            for number in os.read(reading, 64):
                if number in names:
                    self._hear(names[number])

    def _hear(self, name: str) -> None:
        with self._lock:
            if self.asked:
                return
            self.signal_name = name
            self._asked.set()
            may_save = self._may_save
        if not may_save:
            self._end_now(name)
        timer = threading.Timer(SECONDS_TO_SAVE, self._end_now, (name,))
        timer.daemon = True
        timer.start()
