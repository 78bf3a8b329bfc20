"""Child processes that do one piece of work and answer: the child's side. `child` describes the protocol."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from core.base.child import decode_line, encode_line
from core.base.errors import SuironError, error_class_name

ReportProgress = Callable[[str, int, int], None]
"""Called with the current work (may be empty), the units done, and the units in all (0: not known)."""

_PROGRESS_SECONDS = 0.1  # between two messages about the same work
_PATIENCE_SECONDS = 2.0  # that unwinding may take once the parent has ended


def answer_parent(work: Callable[[Any, ReportProgress], Any]) -> None:
    """Call `work(request, report_progress)` and send its result to the parent: a JSON value, or bytes. A SuironError
    that it raises is raised in the parent; any other exception ends the process with a traceback, which the parent
    explains.

    SIGTERM, and the end of the parent, raise SystemExit in `work`, so that it can remove unfinished files.
    """
    signal.signal(signal.SIGTERM, _leave)
    messages = _Messages()
    request = _read_request()
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    try:
        messages.answer(work(request, messages.progress))
    except SuironError as error:
        messages.error(error)
        sys.stderr.flush()
        os._exit(error.exit_code)  # at once: threads of a library may still be working


def _leave(*_: object) -> NoReturn:
    sys.exit(1)


def _read_request() -> Any:
    line = b""
    while not line.endswith(b"\n"):
        block = os.read(0, 1 << 16)
        if not block:
            _leave()
        line += block
    return decode_line(line)


def _end_with_parent() -> None:
    """Standard input is a pipe from the parent: it closes when the parent ends, however that happens."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_SECONDS)
    os._exit(1)


class _Messages:
    """Sends messages to the parent. Standard output of libraries is redirected to standard error."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._number = os.dup(1)
        os.dup2(2, 1)
        self._words: str | None = None
        self._progress_time = 0.0
        self._send(b"\n")  # ends a line that a library began while it was imported

    def progress(self, words: str, done: int, total: int) -> None:
        """Report progress. Reports of the same work are sent at most ten times a second."""
        now = time.monotonic()
        if words != self._words or now - self._progress_time >= _PROGRESS_SECONDS:
            self._words, self._progress_time = words, now
            self._send(encode_line({"progress": [words, done, total]}))

    def answer(self, result: Any) -> None:
        if isinstance(result, (bytes, bytearray, memoryview)):
            content = memoryview(result).cast("B")
            self._send(encode_line({"bytes": len(content)}))
            self._send(content)
        else:
            self._send(encode_line({"result": result}))

    def error(self, error: SuironError) -> None:
        parts = {"class": error_class_name(error), "what": error.what, "where": error.where, "do": error.do}
        self._send(encode_line({"error": parts}))

    def _send(self, content: bytes | memoryview) -> None:
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self._number, rest) :]
        except BrokenPipeError:  # the parent has ended, or closed the pipe
            _leave()
