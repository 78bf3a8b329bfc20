"""Reading a located source: all of it into memory, into the import cache, or into the cache by a process of its own.

`python -m core.data.importing.import_source SOURCE SPLIT`, a mapping as JSON on standard input, imports into the cache.
Each line it prints is a JSON object: {"done", "total"} now and then, at the end {"error": {what, where, do}} where it
failed. It ends when nobody listens any more.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import DataError
from core.data.columns.mapping import Mapping
from core.data.formats.record_intake import Facts, Progress, RowCollector
from core.data.formats.table import format_named
from core.data.locate.source_files import Found, locate
from core.data.storage.memory_rows import HeldRows

if TYPE_CHECKING:
    from core.data.importing.import_cache import ImportRequest
    from core.data.storage.mapped_rows import MappedRows

_MAX_CHARS = 32 << 20  # characters kept in memory; a small compressed file may decompress to any size
_NICE = 5


class TooLarge(Exception):
    """A source that looked small holds too much text to be kept in memory."""


@contextmanager
def named(found: Found) -> Iterator[Found]:
    """Turns whatever a reader raises into a DataError that names the source."""
    try:
        yield found
    except DataError as error:
        if error.where:
            raise
        raise DataError(error.what, found.where, error.do) from error
    except OSError as error:
        raise DataError(
            f"it cannot be read ({error.strerror or error})", found.where, "Check the file and who may read it"
        ) from error
    except UnicodeDecodeError as error:  # pyarrow, of names inside a damaged file
        raise DataError(
            f"the file is damaged: a name in it is not UTF-8 ({error.reason})", found.where, "Copy or write it again"
        ) from error


def read_into_memory(found: Found, mapping: Mapping | None, progress: Progress | None) -> tuple[HeldRows, Facts]:
    """All rows of a small text source, in memory. Raises DataError, OSError, TooLarge."""
    held, chars = HeldRows(), 0

    def put(columns: Sequence[Sequence[str]]) -> None:
        nonlocal chars
        chars += sum(len(text) for column in columns for text in column)
        if chars > _MAX_CHARS:
            raise TooLarge
        held.put(columns)

    collector = RowCollector(found.where, put, progress, mapping)
    read_source(found, collector)
    return held, collector.finish()


def read_source(found: Found, collector: RowCollector) -> None:
    """Hand every row of a source to `collector`, file by file. Raises DataError, OSError."""
    format_named(found.format).load().read_files(found.paths, collector)


def fill_cache(found: Found, mapping: Mapping | None, progress: Progress | None) -> None:
    """Import into the cache, in this process. Raises DataError, OSError."""
    from core.data.importing import import_cache

    import_cache.import_into_cache(import_request(found, mapping), partial(read_source, found), progress)


def open_imported(found: Found, mapping: Mapping | None, progress: Progress | None) -> tuple[MappedRows, Facts, str]:
    """The rows from the cache, imported in this process where they are not there; their facts and key. Raises
    DataError, OSError."""
    from core.data.importing import import_cache

    return import_cache.open_cached(import_request(found, mapping), partial(read_source, found), progress)


def find_imported(found: Found, mapping: Mapping | None) -> tuple[MappedRows, Facts, str] | None:
    """The rows, facts and key of what was imported before, else None. Raises OSError."""
    from core.data.importing import import_cache

    return import_cache.find_cached(import_request(found, mapping))


def import_request(found: Found, mapping: Mapping | None) -> ImportRequest:
    """What the import cache needs to know of a source."""
    from core.data.importing.import_cache import ImportRequest

    return ImportRequest(found.paths, found.format, found.where, mapping)


# -- in a process of its own --


def import_apart(source: str, split: str, mapping: Mapping | None, where: str, progress: Progress | None) -> None:
    """Import in a child process of lower priority; this one stays small and quick. Raises DataError, and what
    `progress` raises: that ends the child.

    `progress` is called a few times a second also while there is nothing new, so that it can stop the import.
    """
    import select
    import subprocess
    import tempfile

    from core.base.child import environment

    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "core.data.importing.import_source", source, split],
            env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
        assert child.stdin is not None and child.stdout is not None  # noqa: S101  (both are pipes)
        try:
            with child.stdin:
                child.stdin.write(msgspec.json.encode(mapping))
            done, total, held, failure = 0, 0, b"", None
            while True:
                if select.select([child.stdout], [], [], 0.2)[0]:
                    block = os.read(child.stdout.fileno(), 1 << 16)
                    if not block:
                        break
                    *lines, held = (held + block).split(b"\n")
                    for line in lines:
                        said = msgspec.json.decode(line)
                        done, total = said.get("done", done), said.get("total", total)
                        failure = said.get("error", failure)
                if progress is not None:
                    progress(done, total)
            status = child.wait()
        except BaseException:
            child.terminate()
            try:
                child.wait(2)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            raise
        finally:
            child.stdout.close()
        if failure is not None:
            raise DataError(failure["what"], failure["where"], failure["do"])
        if status:
            errors.seek(0)
            tail = errors.read()[-2000:].decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
            why = (
                "it ran out of memory, or was ended" if status == -signal.SIGKILL else f"it ended with status {status}"
            )
            raise DataError(
                f"the import failed: {why}" + (f" ({tail})" if tail else ""),
                where,
                "Try again, or import a part of the data",
            )


def main(source: str, split: str) -> int:
    """The child. A parent that is gone, or wants no more, ends it; what it wrote so far goes with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    os.nice(_NICE)
    mapping = msgspec.json.decode(sys.stdin.buffer.read(), type=Mapping | None)

    def say(message: dict[str, Any]) -> None:
        try:
            os.write(1, msgspec.json.encode(message) + b"\n")
        except BrokenPipeError:
            sys.exit(1)

    try:
        with named(locate(source, split)) as found:
            fill_cache(found, mapping, lambda done, total: say({"done": done, "total": total}))
    except DataError as error:
        say({"error": {"what": error.what, "where": error.where, "do": error.do}})
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
