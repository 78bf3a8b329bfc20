"""Pages of large JSON Lines files before they are imported, by an index of line ends. Reads only uncompressed UTF-8."""

from __future__ import annotations

import codecs
import os
import time
import weakref
from collections.abc import Iterator, Sequence
from itertools import accumulate, zip_longest
from pathlib import Path

from core.base.row import Row
from core.data.columns.mapping import ColumnMapping, RowReader
from core.data.formats.early_rows import EarlyRows, read_across_files, row_or_problem
from core.data.formats.json_line import read_line
from core.data.formats.line_index import LONGEST, LineIndex
from core.data.formats.row_collector import record_of

_LONG = 1 << 14  # bytes; where lines are longer on average, fewer are read for a page


class EarlyLines(EarlyRows):
    """The lines of large files as rows. They are counted for at most `seconds`; where that is too short, only the first
    ones are available. Raises OSError."""

    def __init__(
        self,
        where: str,
        paths: Sequence[Path],
        mapping: ColumnMapping,
        names: Sequence[str],
        seconds: float,
        before: Sequence[LineIndex] = (),
    ) -> None:
        self._arguments = (where, paths, mapping, names)
        self._reader = RowReader(mapping, names)
        self._indices: list[LineIndex] = []
        self._several = len(paths) > 1
        end = time.monotonic() + seconds
        for path, known in zip_longest(paths, before):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, descriptor)
            self._indices.append(LineIndex(descriptor, path.stat().st_size, end - time.monotonic(), known))
            if not self._indices[-1].counted:
                break
        self.counted = len(self._indices) == len(paths) and all(index.counted for index in self._indices)
        self._starts = [0, *accumulate(index.lines for index in self._indices)]
        super().__init__(where, paths, self._starts.pop())
        self._names = [path.name for path in paths]
        size = sum(index.size for index in self._indices)
        self.block = max(1, min(self.block, self.block * _LONG * max(1, self._length) // max(1, size)))

    def count_longer(self, seconds: float) -> EarlyLines:
        self._files_seen.check()
        longer = EarlyLines(*self._arguments, seconds, self._indices)
        self._files_seen.check()
        return longer

    def _read(self, first: int, limit: int) -> list[Row]:
        rows = read_across_files(self._lines, self._starts, self._length, first, limit)
        return [row_or_problem(texts, first + offset, position) for offset, (position, texts) in enumerate(rows)]

    def _lines(self, file: int, line: int, limit: int) -> Iterator[tuple[str, list[str] | str]]:
        within = f"{self._names[file]}, " if self._several else ""
        for offset, content in enumerate(self._indices[file].read(line, limit)):
            yield f"{within}line {line + offset + 1}", self._row(content)

    def _row(self, line: bytes) -> list[str] | str:
        if len(line) > LONGEST:
            return f"longer than {LONGEST >> 20} MB; shown once the data set is imported"
        line = line.removeprefix(codecs.BOM_UTF8).strip()
        if not line:
            return "blank"
        try:
            content = read_line(line.decode())
        except UnicodeDecodeError as error:
            return f"not UTF-8 at byte {error.start + 1}"
        if content.fault:
            return content.fault
        if len(content.records) != 1:
            return "several objects; shown once the data set is imported" if content.records else "a comment"
        record = record_of(content.records[0])
        if not isinstance(record, dict):
            return "not an object"
        return self._reader.read([record.get(name) for name in self._reader.sources])
