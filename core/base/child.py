"""Child processes that do one piece of work and answer: the parent's side. `child_main` is the child's side.

The child is `python -P -m MODULE`. Its request is one JSON line on its standard input. That pipe stays open: when it
closes, the parent has ended and the child ends too. The child writes messages on its standard output, each a JSON line:

    {"progress": [words, done, total]}
    {"result": value}                                 the answer, any JSON value
    {"bytes": N}                                      the answer, N raw bytes that follow the line
    {"error": {"class", "what", "where", "do"}}       a SuironError, raised again in the parent

Any other line was printed by a library and is ignored. JSON is pure ASCII, so that a file name that is not UTF-8
survives. Detached processes (a run, the engine) do not use this protocol, only `environment`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core.base.errors import SuironError, error_class

if TYPE_CHECKING:
    import selectors

ROOT = Path(__file__).resolve().parents[2]

_CHECK_SECONDS = 0.1  # between two calls of `check`
_PATIENCE_SECONDS = 2.0  # that a child may take to end by itself
_LOG_BYTES = 4096  # of the end of the child's standard error
_BLOCK_BYTES = 1 << 16
_MEMORY_WORDS = ("MemoryError", "bad_alloc", "Cannot allocate memory")


def environment(**more: str) -> dict[str, str]:
    """This process's environment plus `more`, with `core` importable from any working directory: its folder is put in
    front of PYTHONPATH."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


class ChildProgress(NamedTuple):
    """The progress of a child."""

    words: str
    """The current work; may be empty."""
    done: int
    """Units done."""
    total: int
    """Units in all; 0 where the total is not known."""


class ChildTimedOut(Exception):
    """The child did not answer in time. It is killed."""


class ChildDied(Exception):
    """The child ended without an answer."""

    status: int
    """Exit status; negative where a signal ended it."""
    log: str
    """The end of its standard error, at most 4 KiB."""

    def __init__(self, status: int, log: str) -> None:
        super().__init__(status, log)
        self.status, self.log = status, log

    @property
    def last_line(self) -> str:
        """The last line on standard error, at most 300 characters; empty where there is none."""
        lines = [line.strip() for line in self.log.splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""

    @property
    def out_of_memory(self) -> bool:
        """Whether memory probably ran out. The kernel's SIGKILL counts."""
        import signal

        return self.status == -signal.SIGKILL or any(words in self.log for words in _MEMORY_WORDS)

    def explain(
        self,
        error: type[SuironError],
        work: str,
        where: str,
        do: str,
        memory_do: str = "Free some memory and try again",
    ) -> SuironError:
        """The death as an `error` for the user. work: the subject of the sentence ("the import"); do: what to do next,
        `memory_do` where memory ran out."""
        return error(f"{work} {self._cause()}", where, memory_do if self.out_of_memory else do)

    def _cause(self) -> str:
        import signal

        if self.status == -signal.SIGKILL:
            return "ran out of memory, or was ended from outside (SIGKILL)"
        if self.out_of_memory:
            return "ran out of memory"
        if self.status < 0:
            number = -self.status
            is_named = number in list(signal.Signals)
            return f"was ended by {signal.Signals(number).name if is_named else f'signal {number}'}"
        last_line = self.last_line.rstrip(".")
        return f"ended with status {self.status}" + (f": {last_line}" if last_line else "")


class Child:
    """A running child process. Use it in a `with` block: when the block ends, the process has ended."""

    def __init__(
        self,
        module: str,
        request: Any,
        *,
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
        lent_files: Sequence[int] = (),
        own_session: bool = False,
    ) -> None:
        """Start the process. Raises OSError.

        module: run by name, so nothing of it is imported here. request: a JSON value. folder: its working directory;
        None for this process's. variables: added to its environment. lent_files: file descriptors that it inherits
        under the same numbers. own_session: its helper processes are ended with it.
        """
        import subprocess
        import sys

        self._own_session = own_session
        self._answered = False
        self._log = b""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            cwd=folder,
            env=environment(**(variables or {})),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=lent_files,
            start_new_session=own_session,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: S101 - all are pipes
        self._stdin, self._stdout, self._stderr = self._process.stdin, self._process.stdout, self._process.stderr
        try:
            self._stdin.write(encode_line(request))
            self._stdin.flush()
        except BrokenPipeError:
            pass  # it has died already; `answer` raises the cause
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def answer(
        self,
        progress: Callable[[ChildProgress], None] | None = None,
        check: Callable[[], None] | None = None,
        seconds: float | None = None,
    ) -> Any:
        """Wait for the answer: a JSON value, or a bytearray where the child answered with bytes.

        progress: called with each progress message. check: called about ten times a second; an exception that it raises
        leaves this method, and the `with` block then ends the child. seconds: the time that the answer may take.

        Raises the child's SuironError with its class, ChildDied or ChildTimedOut.
        """
        import selectors
        import time

        deadline = None if seconds is None else time.monotonic() + seconds
        reader = _AnswerReader(self._stdout.fileno(), progress)
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            selector.register(self._stderr, selectors.EVENT_READ)
            while not reader.answered:
                if check is not None:
                    check()
                wait = None if check is None else _CHECK_SECONDS
                if deadline is not None:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        self.kill()
                        raise ChildTimedOut
                    wait = left if wait is None else min(wait, left)
                for key, _ in selector.select(wait):
                    if key.fileobj is self._stderr:
                        self._read_log(selector)
                    elif not reader.read():
                        selector.unregister(self._stdout)
                        raise self._death(selector)
        self._answered = True
        return reader.answer()

    def kill(self) -> None:
        """End the process at once. May be called from any thread."""
        import signal

        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """End the process, and its helpers where it has its own session. A process that has answered gets two seconds
        to end by itself; any other gets SIGTERM first."""
        import signal
        import subprocess
        from contextlib import suppress

        if self._answered:
            self._wait_for_end()
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE_SECONDS)
        if self._own_session or self._process.poll() is None:
            self._signal(signal.SIGKILL)
        self._process.wait()
        for pipe in (self._stdin, self._stdout, self._stderr):
            with suppress(OSError):
                pipe.close()

    def _signal(self, number: int) -> None:
        from contextlib import suppress

        with suppress(ProcessLookupError, PermissionError):
            if self._own_session:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)

    def _read_log(self, selector: selectors.BaseSelector) -> None:
        block = os.read(self._stderr.fileno(), _BLOCK_BYTES)
        self._log = (self._log + block)[-_LOG_BYTES:]
        if not block:
            selector.unregister(self._stderr)

    def _wait_for_end(self) -> None:
        """Read standard error until the process closes it by ending, so that a full pipe cannot block the process."""
        import selectors

        with selectors.DefaultSelector() as selector:
            selector.register(self._stderr, selectors.EVENT_READ)
            self._read_to_end(selector)

    def _read_to_end(self, selector: selectors.BaseSelector) -> None:
        import time

        deadline = time.monotonic() + _PATIENCE_SECONDS
        while selector.get_map() and selector.select(max(0.0, deadline - time.monotonic())):
            self._read_log(selector)

    def _death(self, selector: selectors.BaseSelector) -> ChildDied:
        import subprocess

        self._read_to_end(selector)
        try:
            status = self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:  # it closed its standard output but still runs
            self.kill()
            status = self._process.wait()
        return ChildDied(status, self._log.decode("utf-8", "replace"))


class _AnswerReader:
    """Reads messages from the file descriptor `number`, up to the answer."""

    def __init__(self, number: int, progress: Callable[[ChildProgress], None] | None) -> None:
        self._number, self._progress = number, progress
        self._line_start = b""
        self._message: dict[str, Any] | None = None
        self._content: bytearray | None = None
        self._content_length = 0

    @property
    def answered(self) -> bool:
        if self._content is not None:
            return self._content_length == len(self._content)
        return self._message is not None

    def answer(self) -> Any:
        """The answer. Raises the error where the child sent one instead."""
        if self._content is not None:
            return self._content
        message = self._message or {}
        if "error" in message:
            error = message["error"]
            raise error_class(error["class"])(error["what"], error["where"], error["do"])
        return message["result"]

    def read(self) -> bool:
        """Read the available bytes. False at the end of the file."""
        if self._content is not None:  # without a copy, since answers may have a hundred megabytes
            count = os.readv(self._number, [memoryview(self._content)[self._content_length :]])
            self._content_length += count
            return count > 0
        block = os.read(self._number, _BLOCK_BYTES)
        rest = self._line_start + block
        while b"\n" in rest and self._message is None:
            line, _, rest = rest.partition(b"\n")
            self._handle_message(decode_line(line))
        if self._content is not None:
            self._content[: len(rest)] = rest
            self._content_length = len(rest)
        self._line_start = rest
        return bool(block)

    def _handle_message(self, message: Any) -> None:
        if not isinstance(message, dict):
            return  # printed by a library
        if "progress" in message:
            if self._progress is not None:
                self._progress(ChildProgress(*message["progress"]))
        elif message.keys() & {"result", "bytes", "error"}:
            self._message = message
            if "bytes" in message:
                self._content = bytearray(message["bytes"])


def encode_line(value: Any) -> bytes:
    """A JSON value as one line of ASCII."""
    import json

    return json.dumps(value).encode("ascii") + b"\n"


def decode_line(line: bytes) -> Any:
    """The JSON value of a line; None where the line is not JSON."""
    import json

    try:
        return json.loads(line)
    except ValueError:
        return None
