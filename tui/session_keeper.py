"""Keeps the session on the disk: a moment after each change, and when the app ends or its terminal is lost."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from types import FrameType
from typing import Any, Protocol

from core.base.safe_text import safe_line
from core.session import Session, save_session

SAVE_AFTER = 1.0  # seconds from a change of the session until it is saved
LEAVE_WITHIN = 5.0  # seconds after SIGHUP or SIGTERM until the process ends in any case


class KeptApp(Protocol):
    """What the keeper needs of the app."""

    session: Session
    """Where the user is."""

    @property
    def log(self) -> Any:
        """Textual's log."""

    @property
    def loop(self) -> Any:
        """The event loop while the app runs, else None."""

    def set_timer(self, delay: float, callback: Any, /) -> Any: ...

    def run_worker(self, work: Any, /, *, thread: bool, group: str, exit_on_error: bool) -> Any: ...

    def call_from_thread(self, callback: Any, /, *args: Any) -> Any: ...

    def notify(self, message: str, /, *, severity: Any, timeout: float, markup: bool) -> None: ...

    def exit(self) -> None: ...


class SessionKeeper:
    """Writes `app.session`."""

    def __init__(self, app: KeptApp) -> None:
        self._app = app
        self._handlers_before: dict[signal.Signals, Any] = {}
        self._has_complained = False
        self.is_saved = True
        """Whether no change waits to be written."""

    def save_soon(self) -> None:
        """The session has changed."""
        if self.is_saved:
            self.is_saved = False
            self._app.set_timer(SAVE_AFTER, self._save_later)

    def _save_later(self) -> None:
        self.is_saved = True
        work = partial(self._save_in_thread, self._app.session)
        self._app.run_worker(work, thread=True, group="save", exit_on_error=False)

    def _save_in_thread(self, session: Session) -> None:
        try:
            save_session(session)
        except OSError as error:
            self._app.call_from_thread(self._complain, error)

    def _complain(self, error: OSError) -> None:
        if not self._has_complained:  # once: a full disk stays full for a while
            self._has_complained = True
            words = (
                f"The session cannot be saved ({error.strerror or error}). Free some disk space; you can keep working."
            )
            self._app.notify(safe_line(words), severity="warning", timeout=12, markup=False)

    def save_now(self) -> None:
        try:
            save_session(self._app.session)
        except OSError as error:
            self._app.log.error(f"the session could not be saved: {error}")

    # -- the end --

    def watch_signals(self) -> None:
        """Save where the terminal is lost or the app is asked to end, until `stop`."""
        self._handlers_before = {
            number: signal.signal(number, self._on_signal) for number in (signal.SIGHUP, signal.SIGTERM)
        }

    def stop(self) -> None:
        """The app has ended: save, and handle signals as before."""
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        self.save_now()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """The terminal is gone, or the app is asked to end: save the session, then quit.

        A plain signal handler, since it runs even while the event loop waits on a terminal that nobody reads.
        """
        self.save_now()
        if number == signal.SIGHUP:  # writing to the lost terminal would fail, and Textual's writer with it
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for output in (1, 2):
                os.dup2(nowhere, output)
        last_resort = threading.Timer(LEAVE_WITHIN, os._exit, (128 + number,))
        last_resort.daemon = True
        last_resort.start()
        if self._app.loop is not None:
            self._app.loop.call_soon_threadsafe(self._app.exit)
