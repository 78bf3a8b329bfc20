"""Rows that can be shown before their source is imported: pages by index, and a length.

Search, counts and edits wait for the import. A page is read from the source itself, so every read first checks that the
files have not changed since they were opened.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from core.base.errors import DataError
from core.base.row import Row
from core.data.cell_text import replace_surrogates

_Read = TypeVar("_Read")
BLOCK = 64  # rows read at once
MAX_OPEN_FILES = 200  # files kept open for pages; a process may open a thousand or so
_BLOCKS_KEPT = 16  # blocks in memory: the rows on the screen and some around them


class FileStates:
    """The state of files when they were opened."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._seen = [(path, self._state(path)) for path in paths]

    def check(self) -> None:
        """Raises DataError where a file has been changed or removed since then."""
        for path, state in self._seen:
            try:
                now = self._state(path)
            except OSError as error:
                raise DataError(
                    f"it was removed after it was opened ({error.strerror})", str(path), "Restore it, or open another"
                ) from error
            if now != state:
                raise DataError("it has changed since it was opened", str(path), "Open it again")

    @staticmethod
    def _state(path: Path) -> tuple[int, int, int, int]:
        stat = path.stat()
        return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


class EarlyRows(ABC):
    """The rows of a source whose import has not ended, with the interface of `row_store.RowPages`.

    An index counts the rows of the source: a row that cannot be read keeps its index, and its text is the reason.
    """

    block = BLOCK
    """Rows read at once."""
    counted = True
    """Whether the length is exact; otherwise there are at least as many rows."""

    def __init__(self, where: str, paths: Sequence[Path], length: int) -> None:
        self._where, self._length = where, length
        self._files_seen = FileStates(paths)
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, list[Row]] = OrderedDict()

    def count_longer(self, seconds: float) -> EarlyRows:
        """The same rows after at most `seconds` more of counting; `self` where counting is not possible. Raises
        DataError where the files have changed."""
        return self

    @abstractmethod
    def _read(self, first: int, limit: int) -> list[Row]:
        """At most `limit` rows, from index `first` on; fewer only at the end. Called by one thread at a time. Raises
        OSError, DataError."""

    def __len__(self) -> int:
        return self._length

    @property
    def highest(self) -> int:
        return self._length - 1

    def order(self) -> Sequence[int]:
        return range(self._length)

    def row(self, index: int) -> Row:
        if not 0 <= index < self._length:
            raise IndexError(f"row {index} of {self._length}")
        number, offset = divmod(index, self.block)
        with self._lock:
            if number not in self._blocks:
                self._load(number, number)
            self._blocks.move_to_end(number)
            return self._blocks[number][offset]

    def take(self, indices: Sequence[int]) -> list[Row]:
        if indices and 0 <= indices[0] <= indices[-1] < self._length and len(indices) <= 2 * self.block:
            numbers = range(int(indices[0]) // self.block, int(indices[-1]) // self.block + 1)
            with self._lock:
                missing = [number for number in numbers if number not in self._blocks]
                if missing and len(numbers) <= _BLOCKS_KEPT // 2:
                    self._load(missing[0], missing[-1])  # a page in two blocks is read at once
        return [self.row(int(index)) for index in indices]

    def _load(self, first: int, last: int) -> None:
        rows = self._read_checked(first * self.block, (last - first + 1) * self.block)
        for offset, number in enumerate(range(first, last + 1)):
            self._blocks[number] = rows[offset * self.block : (offset + 1) * self.block]
        while len(self._blocks) > _BLOCKS_KEPT:
            self._blocks.popitem(last=False)

    def _read_checked(self, first: int, limit: int) -> list[Row]:
        self._files_seen.check()
        count = min(limit, self._length - first)
        try:
            rows = self._read(first, count)
        except OSError as error:
            raise DataError(
                f"it cannot be read ({error.strerror or error})", self._where, "Check the file and who may read it"
            ) from error
        self._files_seen.check()  # rows read during a change belong to neither version
        if len(rows) != count:
            raise DataError(f"{len(rows)} rows were read where {count} were expected", self._where, "Open it again")
        return rows


class HeadRows(EarlyRows):
    """The first rows of a source whose other rows cannot be reached without reading all rows before them."""

    def __init__(self, where: str, paths: Sequence[Path], rows: list[Row], counted: bool = False) -> None:
        super().__init__(where, paths, len(rows))
        self._rows = rows
        self.counted = counted

    def _read(self, first: int, limit: int) -> list[Row]:
        return self._rows[first : first + limit]


def row_or_problem(texts: list[str] | str, index: int, position: str) -> Row:
    """The row of six texts; where `texts` is a fault, a row that shows it, so that every row keeps its index.
    position: the row's position in the source, such as "line 7"."""
    if isinstance(texts, str):
        return Row(f"({replace_surrogates(position)}: {replace_surrogates(texts)})", index=index)
    return Row(*texts, index=index)  # type: ignore[misc, arg-type]


def read_across_files(
    read: Callable[[int, int, int], Iterator[_Read]], starts: Sequence[int], end: int, first: int, limit: int
) -> Iterator[_Read]:
    """At most `limit` rows from index `first` on, in order, from as many files as needed.

    starts: the index of the first row of each file; end: the number of all rows; read: returns rows of one file, called
    with the file's number, the first row's offset in it, and how many rows.
    """
    last = min(first + limit, end)
    while first < last:
        file = bisect_right(starts, first) - 1
        stop = min(last, starts[file + 1] if file + 1 < len(starts) else end)
        yield from read(file, first - starts[file], stop - first)
        first = stop
