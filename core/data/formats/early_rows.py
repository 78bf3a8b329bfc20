"""Rows that can be shown before their source is imported: pages by place, and a length. Search, counts and edits wait
for the import.

A page is read from the source itself, so every reading first looks whether its files are still those that were opened.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.base.errors import DataError
from core.base.row import Row
from core.data.cells import clean

BLOCK = 64  # rows read at once
_KEPT = 16  # blocks remembered: what the screen shows, and a little around it


class Watch:
    """Files as they were when they were opened."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._seen = [(path, self._state(path)) for path in paths]

    def check(self) -> None:
        """Raises DataError where one of them was changed or removed since."""
        for path, state in self._seen:
            try:
                now = self._state(path)
            except OSError as error:
                raise DataError(
                    f"it is gone since it was opened ({error.strerror})", str(path), "Bring it back, or open another"
                ) from error
            if now != state:
                raise DataError("it was changed since it was opened", str(path), "Open it again")

    @staticmethod
    def _state(path: Path) -> tuple[int, int, int, int]:
        stat = path.stat()
        return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


class EarlyRows(ABC):
    """As `row_store.Rows`, for a source whose import has not ended. An index is a place in the source: a row that
    cannot be read keeps its own, and says why."""

    block = BLOCK

    def __init__(self, where: str, paths: Sequence[Path], length: int) -> None:
        self._where, self._length = where, length
        self._watch = Watch(paths)
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, list[Row]] = OrderedDict()

    @abstractmethod
    def _read(self, first: int, limit: int) -> list[Row]:
        """The rows from `first` on, at most `limit`, fewer only at the end. Called by one thread at a time. Raises
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
                if len(numbers) <= _KEPT // 2 and (
                    missing := [number for number in numbers if number not in self._blocks]
                ):
                    self._load(missing[0], missing[-1])  # a page that lies across two blocks: one reading
        return [self.row(int(index)) for index in indices]

    def _load(self, first: int, last: int) -> None:
        rows = self._checked(first * self.block, (last - first + 1) * self.block)
        for place, number in enumerate(range(first, last + 1)):
            self._blocks[number] = rows[place * self.block : (place + 1) * self.block]
        while len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)

    def _checked(self, first: int, limit: int) -> list[Row]:
        self._watch.check()
        wanted = min(limit, self._length - first)
        try:
            rows = self._read(first, wanted)
        except OSError as error:
            raise DataError(
                f"it cannot be read ({error.strerror or error})", self._where, "Check the file and who may read it"
            ) from error
        self._watch.check()  # what was read while it changed is neither version
        if len(rows) != wanted:
            raise DataError(f"{len(rows)} rows came where {wanted} were announced", self._where, "Open it again")
        return rows


class HeadRows(EarlyRows):
    """The first rows of a source whose others cannot be reached without reading all before them."""

    def __init__(self, where: str, paths: Sequence[Path], rows: list[Row]) -> None:
        super().__init__(where, paths, len(rows))
        self._rows = rows

    def _read(self, first: int, limit: int) -> list[Row]:
        return self._rows[first : first + limit]


def shown(read: list[str] | str, index: int, place: str) -> Row:
    """A row as it was read, or, in its stead, one that says what is wrong with it, so that every row keeps its place.
    place: as "line 7"."""
    if isinstance(read, str):
        return Row(f"({clean(place)}: {clean(read)})", index=index)
    return Row(*read, index=index)  # type: ignore[misc, arg-type]


def locate_in(starts: Sequence[int], index: int) -> tuple[int, int]:
    """(shard, place in it) of the row `index`, where `starts` has the first row of each shard."""
    from bisect import bisect_right

    shard = bisect_right(starts, index) - 1
    return shard, index - starts[shard]


def gathered(read: Any, starts: Sequence[int], ends: int, first: int, limit: int) -> Iterator[Any]:
    """Call `read(shard, place, limit)` for each shard that the rows from `first` on lie in, in order."""
    last = min(first + limit, ends)
    while first < last:
        shard, place = locate_in(starts, first)
        end = min(last, starts[shard + 1] if shard + 1 < len(starts) else ends)
        yield from read(shard, place, end - first)
        first = end
