"""SQL over stored rows, run in a child process, since a user's condition may need all memory or never end.

The child (`sql_child`) maps the same files; rows in memory are written to unnamed files for it. This module knows how
to call the child, not SQL.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

from core.base.child import Child, ChildDied, ChildTimedOut
from core.base.errors import DataError
from core.base.row import FIELDS
from core.data.search.running_queries import QueryTicket
from core.data.storage.arrow_arrays import bool_array

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.data.storage.row_store import RowStore

SECONDS = 30.0  # the time limit of one query
NO_MEMORY = "the condition needs more memory than is available"
SIMPLER = "Write a simpler condition"


def rows_where(rows: RowStore, condition: str, ticket: QueryTicket) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The indices of the rows for which the SQL `condition` is true, in no particular order, shape (rows found,).

    Columns are the six and `row`, the index; a subquery can use all rows as `rows`. Raises DataError with DuckDB's
    message if the condition is wrong, and QueryInterrupted.
    """
    import numpy as np

    return np.frombuffer(_run_query(rows, {"kind": "where", "line": condition}, ticket), dtype=np.int64)


def row_keys_of(
    rows: RowStore, prefix: str, columns: Sequence[str], ticket: QueryTicket
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.uint64]]]:
    """The index of every row and its `storage.row_keys.row_key`, in no particular order, both of shape (rows,). Raises
    DataError, QueryInterrupted."""
    import numpy as np

    query = {"kind": "keys", "prefix": prefix, "columns": list(columns)}
    indices, keys = np.split(np.frombuffer(_run_query(rows, query, ticket), dtype=np.int64), 2)
    return indices, keys.view(np.uint64)


def _run_query(rows: RowStore, query: dict[str, Any], ticket: QueryTicket) -> bytearray:
    line = str(query.get("line", ""))
    with ExitStack() as stack:
        files: dict[str, int] = {}

        def lend(name: str, batches: Sequence[pa.RecordBatch]) -> None:
            files[name] = stack.enter_context(_unnamed_file(batches)).fileno()

        _lend_rows(rows, files, lend)
        child = stack.enter_context(
            Child(
                "core.data.search.sql_child",
                {**query, "files": files},
                variables={"ARROW_DEFAULT_MEMORY_POOL": "system"},
                lent_files=list(files.values()),
            )
        )
        ticket.watch(child.kill)
        try:
            answer: bytearray = child.answer(seconds=SECONDS)
        except ChildTimedOut:
            what = f"the condition took more than {SECONDS:.0f} seconds"
            raise DataError(what, line, SIMPLER) from None
        except ChildDied as death:
            ticket.check()  # a newer query has killed it
            raise _explain_death(death, line) from None
        except BaseException:
            child.kill()
            ticket.check()
            raise
        finally:
            ticket.forget()
    ticket.check()
    return answer


def _explain_death(death: ChildDied, line: str) -> DataError:
    if death.status < 0 or death.out_of_memory:  # a library that gets no memory may also abort
        return DataError(NO_MEMORY, line, SIMPLER)
    what = f"the condition could not be evaluated ({death.last_line or death.status})"
    return DataError(what, line, "Run `python -m core doctor`")


def _lend_rows(rows: RowStore, files: dict[str, int], lend: Any) -> None:
    """The rows as files: `base` with the batches of the source, one file for each replaced column, `hidden` with the
    mask of hidden rows, and `hand` with the rows that were edited one by one."""
    import pyarrow as pa

    from core.data.storage.arrow_rows import ArrowRows

    if not isinstance(rows, ArrowRows):
        lend("hand", list(rows.record_batches()))
        return
    if rows.file is not None:
        files["base"] = rows.file.number
    else:
        lend("base", [*rows.batches, rows.batches[0].slice(0, 0)] if rows.batches else [])
    columns = rows.overlay.columns if rows.overlay is not None else {}
    for name, replaced in columns.items():
        if replaced.file is not None:
            files[name] = replaced.file.number
        else:
            lend(name, [pa.record_batch([array], names=[name]) for array in replaced.arrays])
    if (hidden := rows.hidden_mask()) is not None:
        lend("hidden", [pa.record_batch([bool_array(hidden)], names=["hidden"])])
    if (patches := rows.patch_batch()) is not None:
        lend("hand", [patches])


def _unnamed_file(batches: Sequence[pa.RecordBatch]) -> IO[bytes]:
    import pyarrow as pa

    schema = pa.schema([*((column, pa.string()) for column in FIELDS), ("row", pa.int64())])
    if batches:
        schema = batches[0].schema
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with pa.ipc.new_file(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        file.flush()
    except BaseException:
        file.close()
        raise
    return file
