"""A large source as an Arrow file in memory-mapped batches; DuckDB answers filters over it. Python holds the rows of one page, never the whole.

pyarrow and DuckDB are imported where they are first needed: paging needs no DuckDB, so it is imported when a filter is first set.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.row import COLUMNS, Row
from core.session import Filters

if TYPE_CHECKING:
    import pyarrow as pa

_SPECIAL = re.compile(r"[^\w ]", re.ASCII)
_LANGUAGE, _FLAG = "syslang = ?", "sysflag = ?"
_TEXT = "(" + " OR ".join(f"contains({column}, ?)" for column in COLUMNS) + ")"
_ANY_CASE = "(" + " OR ".join(f"regexp_matches({column}, ?)" for column in COLUMNS) + ")"
_ANY_CASE_LONG = "(" + " OR ".join(f"contains(lower({column}), lower(?))" for column in COLUMNS) + ")"
_LONG = 500  # characters; a regular expression of many thousands would be refused


class MappedRows:
    """Safe to call from several threads: Arrow is read only, and one lock guards the one DuckDB connection."""

    def __init__(self, batches: list[pa.RecordBatch]) -> None:
        self._batches = batches
        self._starts = [0, *accumulate(len(batch) for batch in batches)]
        self._lock = threading.Lock()
        self._connection: Any = None

    def __len__(self) -> int:
        return self._starts[-1]

    def row(self, index: int) -> Row:
        place = bisect_right(self._starts, index) - 1
        batch, offset = self._batches[place], index - self._starts[place]
        return Row(*(batch.column(i)[offset].as_py() for i in range(len(COLUMNS))), index=index)  # type: ignore[misc]

    def indices(self, filters: Filters) -> Sequence[int]:
        """The indices of the rows that pass, rising, as a NumPy array of int64."""
        clauses, values = [], []
        for clause, value in ((_LANGUAGE, filters.syslang), (_FLAG, filters.sysflag)):
            if value:
                clauses.append(clause)
                values.append(value)
        if text := filters.text:
            if text.lower() == text.upper():  # as in Japanese: nothing to fold
                clauses.append(_TEXT)
            elif len(text) > _LONG:
                clauses.append(_ANY_CASE_LONG)
            else:  # an escaped expression folds as it scans: three times as fast as folding every cell
                clauses.append(_ANY_CASE)
                text = "(?i)" + _SPECIAL.sub(lambda match: f"\\x{{{ord(match.group()):x}}}", text)
            values += [text] * len(COLUMNS)
        query = "SELECT index FROM rows WHERE " + " AND ".join(clauses)  # noqa: S608  (made of the constants above; values are bound)
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            found = self._connection.sql(query, params=values).to_arrow_table().column(0)
        indices = found.combine_chunks().to_numpy(zero_copy_only=False).copy()
        indices.sort()  # threads of DuckDB may hand batches on in any order
        return indices  # type: ignore[no-any-return]

    def _connect(self) -> Any:
        """An in-memory DuckDB that sees the rows and nothing else: no files, no network, no extensions, no Python variables."""
        import duckdb
        import numpy as np
        import pyarrow as pa

        # from_buffers: pa.array() would import pandas, a quarter of a second
        index = pa.Array.from_buffers(pa.int64(), len(self), [None, pa.py_buffer(np.arange(len(self), dtype=np.int64))])
        rows = pa.Table.from_batches(self._batches).append_column("index", index)
        closed = {"autoinstall_known_extensions": False, "autoload_known_extensions": False, "python_enable_replacements": False}
        connection = duckdb.connect(":memory:", config={**closed, "temp_directory": ""})
        connection.register("rows", rows)
        connection.execute("SET enable_progress_bar = false")  # it would draw over the screen after two seconds
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection

    def counts(self, column: str) -> dict[str, int]:
        import pyarrow.compute as pc

        counts: Counter[str] = Counter()
        for batch in self._batches:
            for pair in pc.value_counts(batch.column(COLUMNS.index(column))):
                counts[pair["values"].as_py()] += pair["counts"].as_py()
        return dict(counts)

    def batches(self, flag: str, size: int) -> Iterator[list[Row]]:
        for start, batch in zip(self._starts, self._batches, strict=False):
            flags = batch.column(COLUMNS.index("sysflag")).to_pylist() if flag else []
            places = [place for place, value in enumerate(flags) if value == flag] if flag else range(len(batch))
            for first in range(0, len(places), size):
                yield [self.row(start + place) for place in places[first : first + size]]

    def empty_reasoning(self, flag: str) -> int:
        import pyarrow.compute as pc

        empty = 0
        for batch in self._batches:
            without = pc.equal(pc.utf8_trim_whitespace(batch.column(COLUMNS.index("reasoning"))), "")
            if flag:
                without = pc.and_(without, pc.equal(batch.column(COLUMNS.index("sysflag")), flag))
            empty += pc.sum(without).as_py() or 0
        return empty


def open_mapped(path: Path) -> tuple[MappedRows, bytes]:
    """The rows of an imported file, and the bytes its last, empty batch carries. Raises OSError or pyarrow.ArrowInvalid where it is damaged."""
    import pyarrow as pa

    file = pa.ipc.open_file(pa.memory_map(str(path)))
    batches = [file.get_batch(i) for i in range(file.num_record_batches - 1)]
    last = file.get_batch_with_custom_metadata(file.num_record_batches - 1)
    return MappedRows(batches), last.custom_metadata[b"facts"]
