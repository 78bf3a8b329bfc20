"""Pages of large Parquet files before they are imported, read by DuckDB.

The number of rows is in the file's footer; a page of rows is in a few of its data pages. Without prefetching, DuckDB
reads only these data pages of each column, even in a large row group: 80 MB of memory and 15 ms for a file with a
million rows in one row group. pyarrow can read a row group only from its start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from core.base.errors import DataError
from core.base.row import Row
from core.data.columns.mapping import ColumnMapping, RowReader
from core.data.formats.early_rows import EarlyRows, read_across_files, row_or_problem

_OPTIONS = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "threads": 2,
}
_READ = "read_parquet(?, file_row_number = true, hive_partitioning = false)"
_NAMES = f"DESCRIBE SELECT * EXCLUDE file_row_number FROM {_READ}"  # noqa: S608  (a constant)


class ParquetFiles:
    """Parquet files in order. Raises DataError where one is not a complete Parquet file."""

    def __init__(self, paths: Sequence[Path]) -> None:
        import duckdb

        self._paths = [str(path) for path in paths]
        self._error: Any = duckdb.Error
        self._binder: Any = duckdb.BinderException
        self._connection = duckdb.connect(":memory:", config={**_OPTIONS, "temp_directory": ""})
        self._connection.execute("SET enable_progress_bar = false")
        self._connection.execute("SET disable_parquet_prefetching = true")
        self._connection.execute("SET enable_external_file_cache = false")
        counts = self._query("SELECT file_name, num_rows FROM parquet_file_metadata(?)", self._paths, self._paths[0])
        by_name = dict(counts)
        self.counts = [int(by_name[path]) for path in self._paths]
        described = self._query(_NAMES, self._paths[0], self._paths[0])
        self.names = [str(row[0]) for row in described]

    def _query(self, query: str, value: Any, where: str, *more: Any) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(query, [value, *more]).fetchall()
            return rows
        except self._error as error:
            reason = str(error).strip().split("\n")[0][:300].rstrip(".")
            raise DataError(f"it cannot be read as Parquet: {reason}", where, "Copy or write it again") from error

    def read(self, columns: Sequence[str], number: int, first: int, limit: int) -> list[tuple[Any, ...]] | str:
        """The values of `columns` in at most `limit` rows of one file from its row `first` on; or the reason why there
        are none: a file may lack a column of the first file."""
        selected = ", ".join('"' + column.replace('"', '""') + '"' for column in columns) or "NULL"
        query = f"SELECT {selected} FROM {_READ} WHERE file_row_number >= ? AND file_row_number < ?"  # noqa: S608  (quoted names; values are bound)
        try:
            return self._query(query, self._paths[number], self._paths[number], first, first + limit)
        except DataError as error:
            if isinstance(error.__cause__, self._binder):
                return "the file lacks a column that the others have"
            raise


class EarlyParquet(EarlyRows):
    """The rows of Parquet files, before the import."""

    def __init__(self, where: str, paths: Sequence[Path], files: ParquetFiles, mapping: ColumnMapping) -> None:
        self._files = files
        self._reader = RowReader(mapping, files.names)
        self._starts = [0, *accumulate(files.counts)]
        super().__init__(where, paths, self._starts.pop())

    def _read(self, first: int, limit: int) -> list[Row]:
        rows = read_across_files(self._rows, self._starts, self._length, first, limit)
        return [row_or_problem(row, index, f"row {index + 1}") for index, row in enumerate(rows, first)]

    def _rows(self, number: int, first: int, limit: int) -> Iterator[list[str] | str]:
        rows = self._files.read(self._reader.sources, number, first, limit)
        for values in [rows] * limit if isinstance(rows, str) else rows:
            yield values if isinstance(values, str) else self._reader.read(values)
