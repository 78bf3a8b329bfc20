"""The journal of edits beside the data: a line that names what it was begun on, then one JSON line an edit, flushed to
disk before it counts.

Knows lines, locks and disks, not what an edit does. A writer that is killed leaves at most a torn last line, which is
skipped and cut off by the next one. One writer at a time, by flock; readers need none. A later line never changes an
earlier one: undo and redo are lines too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from core.base.errors import DataError
from core.base.files import private_dir
from core.data.editing.operations import Line, Operation, Redone, Undone

_VERSION = 1


class Begun(msgspec.Struct, frozen=True, tag_field="op", tag="base"):
    """base: the key of the source's rows (`Origin.key`) that the indices below are of; rows: how many there were;
    columns: of the file with a key for each row, see `rebase`."""

    base: str
    rows: int
    version: int = _VERSION
    when: float = 0.0


class Lost(msgspec.Struct, frozen=True, tag_field="op", tag="lost"):
    """An edit that no longer fits since the source changed: kept, never applied unless its row comes back."""

    edit: Operation
    why: str


class Mark(NamedTuple):
    """How far a journal was read: the file and the length of its whole lines."""

    file: int
    size: int


@dataclass
class Story:
    """What a journal tells. done: the edits in force, in order; undone: those that a redo brings back, the next one
    last; highest: the largest index an added row ever had, -1 where there is none; bad: lines that could not be read,
    each its number and why."""

    begun: Begun | None = None
    done: list[Operation] = field(default_factory=list)
    undone: list[Operation] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    highest: int = -1
    whole: int = 0

    def tell(self, line: Line) -> None:
        if isinstance(line, Undone):
            if self.done:
                self.undone.append(self.done.pop())
        elif isinstance(line, Redone):
            if self.undone:
                self.done.append(self.undone.pop())
        else:
            self.done.append(line)
            self.undone.clear()
            self.highest = max(self.highest, getattr(line, "row", -1))


_decoder = msgspec.json.Decoder(Line | Begun | Lost)
_encode = msgspec.json.Encoder().encode


def read(path: Path) -> tuple[Story, Mark]:
    """The journal at `path`; an empty story where there is none. Raises DataError where it cannot be read, or a newer
    Suiron wrote it."""
    try:
        with path.open("rb") as file:
            content, number = file.read(), os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return Story(), Mark(0, 0)
    except OSError as error:
        raise DataError(
            f"the edits of this data cannot be read ({error.strerror})", str(path), "Check who may read them"
        ) from error
    story = _story(content, path)
    return story, Mark(number, story.whole)


def _story(content: bytes, path: Path) -> Story:
    story = Story(whole=content.rfind(b"\n") + 1)
    for number, line in enumerate(content[: story.whole].split(b"\n")[:-1], 1):
        if not line:
            continue
        try:
            value = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            story.bad.append((number, str(error)))
            continue
        if isinstance(value, Begun):
            if value.version > _VERSION:
                raise DataError(
                    "its edits were written by a newer Suiron",
                    str(path),
                    "Open it with that one, or move the journal away",
                )
            story.begun = value
        elif isinstance(value, Lost):
            story.lost.append(value)
        elif story.begun is None:
            story.bad.append((number, "nothing says which rows it is about"))
        else:
            story.tell(value)
    return story


class Journal:
    """The right to write. Raises DataError where another process has it, or the folder cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            private_dir(path.parent)
            self._file = self._open()
        except OSError as error:
            raise DataError(
                f"the edits cannot be kept ({error.strerror})",
                str(path),
                "Check who may write there, and that the disk has space",
            ) from error

    def _open(self) -> int:
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                raise DataError(
                    "this data is being edited by another Suiron",
                    str(self.path),
                    "End that one, or look without editing",
                ) from None
            except OSError:  # a file system without locks: better one edit too many than none at all
                return file
            try:
                if os.stat(self.path).st_ino == os.fstat(file).st_ino:
                    return file
            except FileNotFoundError:
                pass
            os.close(file)  # it was replaced between opening and locking

    def read(self) -> Story:
        """What it tells; a torn last line is cut off for good."""
        os.lseek(self._file, 0, os.SEEK_SET)
        size = os.fstat(self._file).st_size
        story = _story(os.pread(self._file, size, 0), self.path)
        if story.whole < size:
            self._cut(story.whole)
        return story

    @property
    def mark(self) -> Mark:
        about = os.fstat(self._file)
        return Mark(about.st_ino, about.st_size)

    def begin(self, base: str, rows: int) -> None:
        self._write(_encode(Begun(base, rows, when=time.time())) + b"\n")

    def append(self, line: Line) -> None:
        """On disk when it returns. Raises DataError, and the journal is as before."""
        try:
            here = os.stat(self.path).st_ino == os.fstat(self._file).st_ino
        except OSError:
            here = False
        if not here:
            raise DataError(
                "the journal of its edits was put aside or removed meanwhile", str(self.path), "Open the data again"
            )
        self._write(_encode(line) + b"\n")

    def _write(self, line: bytes) -> None:
        before = os.fstat(self._file).st_size
        try:
            view = memoryview(line)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except OSError as error:
            self._cut(before)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            what = "the disk is full: the edit is not kept" if full else f"the edit cannot be kept ({error.strerror})"
            raise DataError(
                what, str(self.path), "Free space there and edit again" if full else "Check the disk and edit again"
            ) from error

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._file, size)
        except OSError as error:
            raise DataError(
                f"a half-written edit cannot be taken back ({error.strerror})", str(self.path), "Open the data again"
            ) from error

    def begin_again(self, base: str, rows: int, story: Story, aside: Path) -> None:
        """The same story on other rows; the journal as it was goes to `aside`. Whole or not at all."""
        lines: Sequence[msgspec.Struct] = [
            Begun(base, rows, when=time.time()), *story.lost, *story.done, *reversed(story.undone), *(Undone() for _ in story.undone),
        ]  # fmt: skip
        try:
            number, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
            try:
                fcntl.flock(number, fcntl.LOCK_EX)
                with os.fdopen(os.dup(number), "wb") as file:
                    file.writelines(_encode(line) + b"\n" for line in lines)
                    file.flush()
                    os.fsync(number)
                os.link(self.path, aside)
                os.replace(name, self.path)
            except BaseException:
                os.close(number)
                Path(name).unlink(missing_ok=True)
                raise
            fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_APPEND)
        except OSError as error:
            raise DataError(
                f"the edits cannot be carried over ({error.strerror})",
                str(self.path),
                "Free space there, and open it again",
            ) from error
        os.close(self._file)
        self._file = number

    def close(self) -> None:
        """Lets another one write. What was never written to goes again."""
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            if not os.fstat(self._file).st_size and os.stat(self.path).st_ino == os.fstat(self._file).st_ino:
                self.path.unlink()
                self.path.parent.rmdir()  # fails where something else lies in it
        os.close(self._file)
        self._file = -1


def dated(path: Path) -> Path:
    """A name beside `path` that says when it was put aside, and that nothing has."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1000):
        aside = path.with_name(f"{path.stem}-{stamp}{f'-{number}' if number else ''}{path.suffix}")
        if not aside.exists():
            return aside
    raise FileExistsError(errno.EEXIST, "too many old journals", str(path))
