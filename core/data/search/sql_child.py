"""The child process of `sql`: one question to DuckDB over the lent files, answered with int64 numbers as bytes. Sees
the rows and nothing else.

The user's condition is parsed as one expression, never as a statement. Files, extensions, settings and variables are
closed to it, and the process has a memory limit that also holds where DuckDB does not count.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Any

from core.base.child_main import ReportProgress, answer_parent
from core.base.errors import DataError
from core.base.row import COLUMNS
from core.data.search.sql import NO_MEMORY, SIMPLER
from core.data.storage.arrow_arrays import as_numbers, numbers

_COUNTED = "400MB"  # by DuckDB itself
_WHOLE = 1_500_000_000  # bytes of private memory, threads and libraries included; mapped files are not counted
_DO = f"Columns are {', '.join(COLUMNS)}, and row; as in: length(output) > 200 AND syslang = 'English'"


def main(question: dict[str, Any], _: ReportProgress) -> bytes:
    """The answer. Raises DataError where the condition cannot be answered."""
    if sys.platform != "darwin":  # where the limit is accepted and ignored
        resource.setrlimit(resource.RLIMIT_DATA, (_WHOLE, _WHOLE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = _connect(question["files"])
    if question["kind"] == "where":
        return _where(connection, question["line"])
    return _keys(connection, question["prefix"], question["columns"])


def _connect(files: dict[str, int]) -> Any:
    import duckdb
    import numpy as np
    import pyarrow as pa

    closed = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    connection = duckdb.connect(
        ":memory:",
        config={**closed, "temp_directory": "", "memory_limit": _COUNTED, "threads": min(4, os.cpu_count() or 1)},
    )
    sides = []
    if "base" in files:
        whole = _table(files["base"])
        for column in COLUMNS:
            if column in files:
                whole = whole.set_column(whole.schema.get_field_index(column), column, _table(files[column]).column(0))
        whole = whole.append_column("row", numbers(np.arange(len(whole))))
        shown = ""
        if "hidden" in files:
            whole = whole.append_column("hidden", _table(files["hidden"]).column(0))
            shown = " WHERE NOT hidden"
        connection.register("base", whole)
        sides.append(f"SELECT {', '.join(COLUMNS)}, row FROM base{shown}")  # noqa: S608 - made of constants
    if "hand" in files:
        connection.register("hand", pa.table(_table(files["hand"])))
        sides.append(f"SELECT {', '.join(COLUMNS)}, row FROM hand")  # noqa: S608
    connection.execute(f"CREATE VIEW rows AS {' UNION ALL '.join(sides)}")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _table(number: int) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(f"/dev/fd/{number}")).read_all()


def _where(connection: Any, line: str) -> bytes:
    import duckdb

    try:
        found = connection.view("rows").filter(line).project("row").to_arrow_table().column(0)
    except (duckdb.OutOfMemoryException, MemoryError):
        raise DataError(NO_MEMORY, line, SIMPLER) from None
    except (duckdb.Error, RuntimeError, UnicodeError) as error:
        raise DataError(_words(str(error), line), line, _DO) from None
    return b"".join(as_numbers(chunk).tobytes() for chunk in found.chunks)


def _keys(connection: Any, prefix: str, columns: list[str]) -> bytes:
    parts = ", ".join(f"strlen({column}), ':', {column}" for column in columns if column in COLUMNS)
    query = f"SELECT row, CAST(md5_number_lower(concat(?, {parts})) AS UBIGINT) FROM rows"  # noqa: S608 - names are of COLUMNS, the prefix is bound
    made = connection.sql(query, params=[prefix]).to_arrow_table()
    return b"".join(as_numbers(chunk).tobytes() for column in made.columns for chunk in column.chunks)


def _words(message: str, line: str) -> str:
    """DuckDB's message in one line, with the names it suggests."""
    lines = [one.strip() for one in message.strip().splitlines() if one.strip()]
    if not line.strip():
        return "the condition is empty"
    words = lines[0].split(":", 1)[-1].strip().rstrip(".!") if lines else "the condition is wrong"
    candidates = next((one for one in lines if one.startswith(("Candidate", "Did you mean"))), "")
    if candidates:
        words += f" ({candidates[0].lower()}{candidates[1:].rstrip('.?')})"
    return words[:400]


if __name__ == "__main__":
    answer_parent(main)
