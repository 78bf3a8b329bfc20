"""The child process that runs statistics or the doctor: `python -m core.quality REQUEST`, the request as JSON.

Reports its progress in JSON lines on standard output, and puts its result into the cache. Ends with its parent.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from core.base import files
from core.base.errors import DataError, SuironError
from core.quality import doctor, request, statistics, tokens
from core.quality.orphan import end_with_parent
from core.quality.report import decode, encode
from core.quality.request import Line, Progress, Request, Trouble

_NICE = 10
_OFTEN = 0.1  # seconds between two lines of progress
_KEPT = 200  # results in the cache; the oldest are deleted


def main(text: str) -> int:
    os.nice(_NICE)
    end_with_parent()
    asked = Request.load(text)
    try:
        _say(Line(answer=str(_answer(asked))))
    except SuironError as error:
        _say(Line(error=Trouble.of(error)))
        return 1
    except MemoryError:
        what = "there is not enough memory to check the rows"
        _say(Line(error=Trouble.of(SuironError(what, asked.source, "Free some memory and try again"))))
        return 1
    except OSError as error:
        what = f"a file or folder cannot be used ({error.strerror or error})"
        do = "Free space there, or set SUIRON_CACHE to a folder that can be written"
        _say(Line(error=Trouble.of(SuironError(what, str(error.filename or ""), do))))
        return 1
    return 0


def _answer(asked: Request) -> Path:
    from core.examples.run_rows import open_rows

    tell = _Teller()
    tokenizer, why = tokens.load(asked.options.model)
    identity = tokens.identity(Path(tokenizer.where)) if tokenizer is not None else ""
    data = open_rows(asked.data, lambda done, total: tell("opening the data set", done, total))
    if not data.fingerprint:
        raise DataError("the data set has no fingerprint", asked.source, "Report this: the program is at fault")
    path = Path(asked.results_folder) / request.answer_name(
        asked.what, asked.source, data.fingerprint, asked.options, identity
    )
    with suppress(OSError, msgspec.DecodeError):  # none yet, or one that a full disk or a crash has damaged
        decode(path.read_bytes())
        path.touch()
        return path
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()  # an import may have just run
    start = time.perf_counter()
    work = statistics.compute if asked.what == "statistics" else doctor.examine
    result = work(data, asked.options, tokenizer, why, tell)
    files.replace_file(path, encode(msgspec.structs.replace(result, seconds=time.perf_counter() - start)))
    _prune(path.parent)
    return path


class _Teller:
    """Writes progress as lines, ten times a second at most; the first of a new stage is always written."""

    def __init__(self) -> None:
        self._told, self._words = 0.0, ""

    def __call__(self, words: str, done: int, total: int) -> None:
        now = time.monotonic()
        if words != self._words or now - self._told >= _OFTEN:
            self._told, self._words = now, words
            _say(Line(progress=Progress(words, done, total)))


def _say(line: Line) -> None:
    try:
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    except UnicodeEncodeError:  # a file's name that is no UTF-8, quoted by an error
        import json

        sys.stdout.buffer.write(json.dumps(msgspec.to_builtins(line)).encode() + b"\n")
    sys.stdout.buffer.flush()


def _prune(folder: Path) -> None:
    answers = sorted(folder.glob("*.msgpack"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in answers[_KEPT:]:
        old.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
