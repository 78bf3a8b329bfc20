"""Runs statistics and the doctor: from the cache at once, else in a child process that reports its progress and can be
cancelled.

Made for threads of the terminal: imports nothing heavy, and computes nothing.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, overload

import msgspec

from core.base.child import environment
from core.base.errors import SuironError
from core.quality import request
from core.quality.report import Report, Statistics, decode
from core.quality.request import Line, Request, What
from core.quality.request import Options as Options
from core.quality.request import Progress as Progress

Told = Callable[[Progress], None]
Stop = Callable[[], bool]
_LOOK = 0.1  # seconds between two looks at whether to stop
_PATIENCE = 2.0  # seconds a child is given to end by itself


class Cancelled(Exception):
    """The person asked to stop; nothing is left running."""


@overload
def run(
    what: Literal["statistics"],
    source: str,
    split: str = ...,
    options: Options = ...,
    progress: Told | None = ...,
    cancelled: Stop | None = ...,
    fingerprint: str = ...,
) -> Statistics: ...
@overload
def run(
    what: Literal["doctor"],
    source: str,
    split: str = ...,
    options: Options = ...,
    progress: Told | None = ...,
    cancelled: Stop | None = ...,
    fingerprint: str = ...,
) -> Report: ...
def run(
    what: What,
    source: str,
    split: str = "",
    options: Options = Options(),  # noqa: B008  (frozen)
    progress: Told | None = None,
    cancelled: Stop | None = None,
    fingerprint: str = "",
) -> Statistics | Report:
    """The statistics of, or the doctor's report on, the rows of `source` with the user's edits applied.

    Blocks; `progress` and `cancelled` are called from this thread, about ten times a second. fingerprint:
    `DataSet.fingerprint` where it is known: a cached result then comes without starting a process. Raises SuironError,
    or Cancelled.
    """
    if fingerprint and (known := cached(what, source, fingerprint, options)) is not None:
        return known
    try:
        asked = Request(what, source, split, options, str(request.folder()))
        path = _ask(asked, progress, cancelled or (lambda: False))
        return decode(path.read_bytes())
    except msgspec.DecodeError as error:
        raise SuironError(
            f"the result cannot be read ({error})", str(path), "Delete this file and try again"
        ) from error
    except OSError as error:
        where = str(error.filename or "")
        do = "Free space or memory, or set SUIRON_CACHE to a folder that can be written"
        raise SuironError(f"the rows cannot be checked ({error.strerror or error})", where, do) from error


def cached(what: What, source: str, fingerprint: str, options: Options = Options()) -> Statistics | Report | None:  # noqa: B008  (frozen)
    """The result from the cache, or None. Raises ModelError for a model that does not exist, UsageError for a template
    that does not."""
    from core.models.tokenizer_folder import tokenizer_folder
    from core.quality import tokens

    tokenizer = ""
    if options.model and (folder := tokenizer_folder(options.model)) is not None:
        tokenizer = tokens.identity(folder)
    name = request.answer_name(what, source, fingerprint, options, tokenizer)
    with suppress(OSError, msgspec.DecodeError):
        return decode((request.folder() / name).read_bytes())
    return None


def _ask(asked: Request, progress: Told | None, cancelled: Stop) -> Path:
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "core.quality", asked.dump()],
            cwd=Path.cwd(), env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            last = _listen(child, progress, cancelled)
            status = child.wait()
        finally:
            _end(child)
        if last.error is not None:
            raise last.error.raised()
        if last.answer is not None and status == 0:
            return Path(last.answer)
        raise _died(status, said, asked.source)


def _listen(child: subprocess.Popen[bytes], progress: Told | None, cancelled: Stop) -> Line:
    """Until the child closes its output; its last line. Raises Cancelled."""
    assert child.stdout is not None  # noqa: S101  (asked for above)
    decoder = msgspec.json.Decoder(Line)
    kept, last = b"", Line()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if cancelled():
                raise Cancelled
            if not selector.select(_LOOK):
                continue
            block = os.read(child.stdout.fileno(), 65536)
            *lines, kept = (kept + block).split(b"\n")
            for line in lines:
                with suppress(msgspec.DecodeError):  # what a library printed
                    last = decoder.decode(line)
                    if last.progress is not None and progress is not None:
                        progress(last.progress)
            if not block:
                return last


def _end(child: subprocess.Popen[bytes]) -> None:
    """Nothing of it is left running: its helpers are of its session, and end with it."""
    if child.poll() is None:
        _signal(child, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_PATIENCE)
    _signal(child, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _died(status: int, said: IO[bytes], source: str) -> SuironError:
    said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
    lines = [line.strip() for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    if status < 0:
        name = signal.Signals(-status).name if -status in list(signal.Signals) else str(-status)
        return SuironError(
            f"the process that judges the rows was ended from outside ({name})",
            source,
            "Free some memory and try again",
        )
    words = f": {lines[-1][:300]}" if lines else ""
    return SuironError(
        f"the process that judges the rows ended with status {status}{words}",
        source,
        "Report this: the program is at fault",
    )
