"""The child process of `sql`: runs one DuckDB query over inherited files and answers with int64 numbers as bytes.

The user's condition is parsed as one expression, never as a statement. It sees only the rows and cannot reach files,
extensions, settings or variables, and the process has a memory limit that also covers memory that DuckDB does not
count.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Any

from core.base.child_main import ReportProgress, answer_parent
from core.base.errors import DataError
from core.base.row import COLUMNS, FIELDS
from core.data.search.sql import NO_MEMORY, SIMPLER
from core.data.storage.arrow_arrays import int64_array, int_values

_DUCKDB_MEMORY = "400MB"  # by its own count
_PRIVATE_BYTES = 1_500_000_000  # of the process with threads and libraries; mapped files do not count
_HELP = f"Columns are {', '.join(COLUMNS)}, and row; as in: length(output) > 200 AND syslang = 'English'"


def main(query: dict[str, Any], _: ReportProgress) -> bytes:
    """The result of the query. Raises DataError where the condition cannot be evaluated."""
    if sys.platform != "darwin":  # where the limit is accepted and ignored
        resource.setrlimit(resource.RLIMIT_DATA, (_PRIVATE_BYTES, _PRIVATE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = _connect(query["files"])
    if query["kind"] == "where":
        return _where(connection, query["line"])
    return _keys(connection, query["prefix"], query["columns"])


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
        config={**closed, "temp_directory": "", "memory_limit": _DUCKDB_MEMORY, "threads": min(4, os.cpu_count() or 1)},
    )
    selects = []
    if "base" in files:
        base = _table(files["base"])
        for column in FIELDS:
            if column in files:
                base = base.set_column(base.schema.get_field_index(column), column, _table(files[column]).column(0))
        base = base.append_column("row", int64_array(np.arange(len(base))))
        visible = ""
        if "hidden" in files:
            base = base.append_column("hidden", _table(files["hidden"]).column(0))
            visible = " WHERE NOT hidden"
        connection.register("base", base)
        selects.append(f"SELECT {', '.join(FIELDS)}, row FROM base{visible}")  # noqa: S608 - made of constants
    if "hand" in files:
        connection.register("hand", pa.table(_table(files["hand"])))
        selects.append(f"SELECT {', '.join(FIELDS)}, row FROM hand")  # noqa: S608
    connection.execute(f"CREATE VIEW rows AS {' UNION ALL '.join(selects)}")
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
        indices = connection.view("rows").filter(line).project("row").to_arrow_table().column(0)
    except (duckdb.OutOfMemoryException, MemoryError):
        raise DataError(NO_MEMORY, line, SIMPLER) from None
    except (duckdb.Error, RuntimeError, UnicodeError) as error:
        raise DataError(_short_message(str(error), line), line, _HELP) from None
    return b"".join(int_values(chunk).tobytes() for chunk in indices.chunks)


def _keys(connection: Any, prefix: str, columns: list[str]) -> bytes:
    parts = ", ".join(f"strlen({column}), ':', {column}" for column in columns if column in FIELDS)
    query = f"SELECT row, CAST(md5_number_lower(concat(?, {parts})) AS UBIGINT) FROM rows"  # noqa: S608 - names are of FIELDS, the prefix is bound
    keys = connection.sql(query, params=[prefix]).to_arrow_table()
    return b"".join(int_values(chunk).tobytes() for column in keys.columns for chunk in column.chunks)


def _short_message(message: str, line: str) -> str:
    """The first line of DuckDB's message, with the names it suggests."""
    lines = [stripped for part in message.splitlines() if (stripped := part.strip())]
    if not line.strip():
        return "the condition is empty"
    words = lines[0].split(":", 1)[-1].strip().rstrip(".!") if lines else "the condition is wrong"
    suggestion = next((text for text in lines if text.startswith(("Candidate", "Did you mean"))), "")
    if suggestion:
        words += f" ({suggestion[0].lower()}{suggestion[1:].rstrip('.?')})"
    return words[:400]


if __name__ == "__main__":
    answer_parent(main)
