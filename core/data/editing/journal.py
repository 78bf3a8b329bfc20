"""The journal of edits beside the data: a header, then one JSON line for each edit. The header identifies the rows.

Each line is flushed to disk before its edit counts. Knows lines, locks and disks, but not the effect of an edit. A
killed writer leaves at most a torn last line, which readers skip and the next writer cuts off. There is one writer at a
time, by flock; readers need no lock. A line never changes: undo and redo are lines too.
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
from core.data.editing.operations import JournalLine, Operation, RedoLast, UndoLast

_VERSION = 1


class JournalHeader(msgspec.Struct, frozen=True, tag_field="op", tag="base"):
    """Identifies the rows that the lines below edit. Field names are the format of the journal."""

    base: str
    """Key of the source's rows, `SourceOrigin.key`."""
    rows: int
    """How many rows the source has."""
    version: int = _VERSION
    """Version of the journal's format."""
    when: float = 0.0
    """Seconds since 1970."""


class UnfitEdit(msgspec.Struct, frozen=True, tag_field="op", tag="lost"):
    """An edit that no longer fits since the source changed: kept, but applied only once its row is in the source
    again."""

    edit: Operation
    """The edit."""
    why: str
    """Why it does not fit, for the user."""


class JournalPosition(NamedTuple):
    """How far a journal was read."""

    inode: int
    """The file, 0 if there is none."""
    size: int
    """Bytes of its complete lines."""


@dataclass
class JournalContents:
    """The contents of a journal."""

    header: JournalHeader | None = None
    """The header, None if there is none yet."""
    done: list[Operation] = field(default_factory=list)
    """The edits in force, the oldest first."""
    undone: list[Operation] = field(default_factory=list)
    """The edits that redo brings back, the next one last."""
    unfit: list[UnfitEdit] = field(default_factory=list)
    """Edits that did not fit when the source changed."""
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    """Lines that could not be read: the number of each, from 1, and why."""
    highest: int = -1
    """The largest index an added row ever had, -1 if there is none."""
    size: int = 0
    """Bytes of the complete lines."""

    def add_line(self, line: JournalLine) -> None:
        """Apply the next line to the lists of edits."""
        if isinstance(line, UndoLast):
            if self.done:
                self.undone.append(self.done.pop())
        elif isinstance(line, RedoLast):
            if self.undone:
                self.done.append(self.undone.pop())
        else:
            self.done.append(line)
            self.undone.clear()
            self.highest = max(self.highest, getattr(line, "row", -1))


_decoder = msgspec.json.Decoder(JournalLine | JournalHeader | UnfitEdit)
_encode = msgspec.json.Encoder().encode


def read_journal(path: Path) -> tuple[JournalContents, JournalPosition]:
    """The journal at `path`; no contents if there is no file.

    Raises DataError if it cannot be read, or was written by a newer Suiron.
    """
    try:
        with path.open("rb") as file:
            content, inode = file.read(), os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return JournalContents(), JournalPosition(0, 0)
    except OSError as error:
        raise DataError(
            f"the edits of this data cannot be read ({error.strerror})", str(path), "Check who may read the file"
        ) from error
    contents = _parse(content, path)
    return contents, JournalPosition(inode, contents.size)


def _parse(content: bytes, path: Path) -> JournalContents:
    contents = JournalContents(size=content.rfind(b"\n") + 1)
    for number, line in enumerate(content[: contents.size].split(b"\n")[:-1], 1):
        if not line:
            continue
        try:
            value = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            contents.unreadable.append((number, str(error)))
            continue
        if isinstance(value, JournalHeader):
            if value.version > _VERSION:
                raise DataError(
                    "its edits were written by a newer Suiron",
                    str(path),
                    "Open it with that version, or move the journal away",
                )
            contents.header = value
        elif isinstance(value, UnfitEdit):
            contents.unfit.append(value)
        elif contents.header is None:
            contents.unreadable.append((number, "the journal has no header before it"))
        else:
            contents.add_line(value)
    return contents


class EditJournal:
    """A journal that is open for writing and locked. Raises DataError if another process has the lock, or the folder
    cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            private_dir(path.parent)
            self._file = self._open_locked()
        except OSError as error:
            raise DataError(
                f"the edits cannot be saved ({error.strerror})",
                str(path),
                "Check who may write there, and that the disk has space",
            ) from error

    def _open_locked(self) -> int:
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                raise DataError(
                    "this data is being edited by another Suiron",
                    str(self.path),
                    "Close that one, or view the data without editing",
                ) from None
            except OSError:  # a file system without locks: two writers are better than none
                return file
            try:
                if os.stat(self.path).st_ino == os.fstat(file).st_ino:
                    return file
            except FileNotFoundError:
                pass
            os.close(file)  # it was replaced between opening and locking

    def read(self) -> JournalContents:
        """The contents of the journal. A torn last line is removed from the file."""
        os.lseek(self._file, 0, os.SEEK_SET)
        size = os.fstat(self._file).st_size
        contents = _parse(os.pread(self._file, size, 0), self.path)
        if contents.size < size:
            self._truncate(contents.size)
        return contents

    @property
    def position(self) -> JournalPosition:
        """The end of the journal."""
        status = os.fstat(self._file)
        return JournalPosition(status.st_ino, status.st_size)

    def write_header(self, base: str, rows: int) -> None:
        """Write the first line: the key and the number of the source's rows. Raises DataError."""
        self._write(_encode(JournalHeader(base, rows, when=time.time())) + b"\n")

    def append(self, line: JournalLine) -> None:
        """Write a line; it is on disk when this returns. Raises DataError and leaves the journal unchanged."""
        try:
            is_same_file = os.stat(self.path).st_ino == os.fstat(self._file).st_ino
        except OSError:
            is_same_file = False
        if not is_same_file:
            raise DataError("the journal of its edits was moved or removed", str(self.path), "Open the data again")
        self._write(_encode(line) + b"\n")

    def _write(self, line: bytes) -> None:
        before = os.fstat(self._file).st_size
        try:
            view = memoryview(line)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except OSError as error:
            self._truncate(before)
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                what, do = "the disk is full: the edit is not saved", "Free space there and edit again"
            else:
                what, do = f"the edit cannot be saved ({error.strerror})", "Check the disk and edit again"
            raise DataError(what, str(self.path), do) from error

    def _truncate(self, size: int) -> None:
        try:
            os.ftruncate(self._file, size)
        except OSError as error:
            raise DataError(
                f"a half-written edit cannot be removed ({error.strerror})", str(self.path), "Open the data again"
            ) from error

    def start_over(self, base: str, rows: int, contents: JournalContents, backup: Path) -> None:
        """Replace the journal by `contents` for another version of the rows, and keep the old journal at `backup`. All
        or nothing; raises DataError."""
        lines: Sequence[msgspec.Struct] = [
            JournalHeader(base, rows, when=time.time()),
            *contents.unfit,
            *contents.done,
            *reversed(contents.undone),
            *(UndoLast() for _ in contents.undone),
        ]
        try:
            number, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
            try:
                fcntl.flock(number, fcntl.LOCK_EX)
                with os.fdopen(os.dup(number), "wb") as file:
                    file.writelines(_encode(line) + b"\n" for line in lines)
                    file.flush()
                    os.fsync(number)
                os.link(self.path, backup)
                os.replace(name, self.path)
            except BaseException:
                os.close(number)
                Path(name).unlink(missing_ok=True)
                raise
            fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_APPEND)
        except OSError as error:
            raise DataError(
                f"the edits cannot be carried over to the changed source ({error.strerror})",
                str(self.path),
                "Free space there, and open it again",
            ) from error
        os.close(self._file)
        self._file = number

    def close(self) -> None:
        """Let another process write. A journal without a line is removed."""
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            if not os.fstat(self._file).st_size and os.stat(self.path).st_ino == os.fstat(self._file).st_ino:
                self.path.unlink()
                self.path.parent.rmdir()  # fails if something else is in it
        os.close(self._file)
        self._file = -1


def backup_path(path: Path) -> Path:
    """A path beside `path`, with the time in its name, that does not exist. Raises FileExistsError after a thousand."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1000):
        backup = path.with_name(f"{path.stem}-{stamp}{f'-{number}' if number else ''}{path.suffix}")
        if not backup.exists():
            return backup
    raise FileExistsError(errno.EEXIST, "too many old journals", str(path))
