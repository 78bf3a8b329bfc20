"""A program in a real pseudo-terminal, with a terminal in memory that shows what a user would see.

Used by the benchmarks and the journey tests.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import pyte

_DRAWN_AT_ONCE = 1 << 16  # bytes
KEYS = {
    "F1": "\x1bOP",
    "F2": "\x1bOQ",
    "F3": "\x1bOR",
    "F4": "\x1bOS",
    "F5": "\x1b[15~",
    "F6": "\x1b[17~",
    "F7": "\x1b[18~",
    "F8": "\x1b[19~",
}
KEYS |= {
    "F9": "\x1b[20~",
    "Enter": "\r",
    "Escape": "\x1b",
    "Tab": "\t",
    "ShiftTab": "\x1b[Z",
    "Up": "\x1b[A",
    "Down": "\x1b[B",
    "Right": "\x1b[C",
}
KEYS |= {
    "Left": "\x1b[D",
    "Backspace": "\x7f",
    "Home": "\x1b[H",
    "End": "\x1b[F",
    "PageDown": "\x1b[6~",
    "PageUp": "\x1b[5~",
    "CtrlP": "\x10",
}


class Terminal:
    """`argv` in a pseudo-terminal of `columns` x `lines`. A thread reads everything; `received` counts bytes, `stamps`
    keeps when each came.

    Answers the program's terminal queries with silence, as many terminals over SSH do.
    """

    def __init__(
        self,
        argv: Sequence[str],
        columns: int = 120,
        lines: int = 40,
        env: dict[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.stamps: list[tuple[float, int]] = []  # (time.perf_counter(), bytes received so far)
        self._changed = threading.Condition()
        self._ended = False
        self._master, slave = pty.openpty()
        self._wake, self._waker = os.pipe()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
            **(env or {}),
        }
        for name in ("NO_COLOR", "COLUMNS", "LINES"):  # the size is that of the terminal
            environment.pop(name, None)
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=cwd,
            close_fds=True,
            preexec_fn=_own_terminal,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        pending = bytearray()
        while True:
            # Waiting in `read` itself would keep the terminal open after `hang_up` has closed it.
            ready, _, _ = select.select([self._master, self._wake], [], [])
            try:
                block = b"" if self._wake in ready else os.read(self._master, 65536)
            except OSError:  # EIO: the program has closed its side
                block = b""
            with self._changed:
                if block:
                    self.raw += block
                    self.stamps.append((time.perf_counter(), len(self.raw)))
                    pending += block
                    # The terminal in memory is slower than a real one: what has come already is stamped before it is
                    # drawn.
                    if len(pending) < _DRAWN_AT_ONCE and select.select([self._master], [], [], 0)[0]:
                        continue
                    self._stream.feed(bytes(pending))
                    pending.clear()
                else:
                    self._stream.feed(bytes(pending))
                    self._ended = True
                self._changed.notify_all()
            if not block:
                return

    @property
    def received(self) -> int:
        return len(self.raw)

    def text(self) -> str:
        with self._changed:
            return self._display()

    def _display(self) -> str:
        # A wide character fills two cells, of which the second is empty. pyte's own `display` fails where an overwrite
        # left only one half.
        rows = (self.screen.buffer[y] for y in range(self.screen.lines))
        return "\n".join("".join(row[x].data for x in range(self.screen.columns)).rstrip() for row in rows)

    def send(self, *keys: str) -> None:
        """Names of KEYS are sent as their codes, everything else as typed."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())

    def wait(self, condition: Callable[[str], bool], seconds: float = 30.0) -> str:
        """The screen's text once `condition` holds for it. Raises TimeoutError with the screen as it is then."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not condition(self._display()):
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    why = "the program ended" if self._ended else f"{seconds} s went by"
                    raise TimeoutError(f"{why}; the screen shows:\n{self._display()}")
                self._changed.wait(min(left, 0.5))
            return self._display()

    def wait_for(self, *words: str, seconds: float = 30.0) -> str:
        """The screen's text once it holds all `words` (spaces inside wide text do not count)."""
        return self.wait(lambda text: all(word in text or word in text.replace(" ", "") for word in words), seconds)

    def wait_bytes(self, beyond: int, seconds: float) -> float | None:
        """When the first byte beyond `beyond` arrived (time.perf_counter()), or None when none did in time."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while len(self.raw) <= beyond:
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    return None
                self._changed.wait(left)
            return next(stamp for stamp, total in self.stamps if total > beyond)

    def hang_up(self) -> None:
        """Close the terminal as a lost connection does: the program gets SIGHUP."""
        if self._master >= 0:
            os.write(self._waker, b"x")
            self._reader.join()
            for descriptor in (self._master, self._wake, self._waker):
                os.close(descriptor)
            self._master = -1

    def close(self) -> None:
        """End the program, if it has not ended, and the terminal."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.hang_up()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
