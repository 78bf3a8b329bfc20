"""SQL on rows, asked of a process of its own: a condition a person wrote may want all the memory there is, or never
end, and must cost only itself.

The process (`sql_child`) maps the same files; what lies in memory here goes to it in files that have no name. Knows the
way there, no SQL.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

from core.base.child import Child, ChildDied, ChildTimedOut
from core.base.errors import DataError
from core.base.row import COLUMNS
from core.data.search.row_query import Ticket
from core.data.storage.arrow_arrays import flags

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.data.storage.mapped_rows import MappedRows
    from core.data.storage.memory_rows import HeldRows

SECONDS = 30.0  # that one question may take
NO_MEMORY = "the condition needs more memory than there is for it"
SIMPLER = "Ask for less, or write the condition in another way"


def where(rows: HeldRows | MappedRows, line: str, ticket: Ticket) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The indices of the rows for which the condition `line` holds, in no order.

    Columns are the six and `row`, the index; `rows` is the whole in a subquery. Raises DataError in the words of SQL,
    and Interrupted.
    """
    import numpy as np

    return np.frombuffer(_ask(rows, {"kind": "where", "line": line}, ticket), dtype=np.int64)


def keys(
    rows: HeldRows | MappedRows, prefix: str, columns: Sequence[str], ticket: Ticket
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """For every row its index, and 64 bits made of `prefix` and the texts of `columns` as `keying.key` makes them. In
    no order."""
    import numpy as np

    both = np.frombuffer(
        _ask(rows, {"kind": "keys", "prefix": prefix, "columns": list(columns)}, ticket), dtype=np.int64
    )
    indices, made = np.split(both, 2)
    return indices, made.view(np.uint64)


def _ask(rows: HeldRows | MappedRows, question: dict[str, Any], ticket: Ticket) -> bytearray:
    line = str(question.get("line", ""))
    with ExitStack() as stack:
        files: dict[str, int] = {}

        def lend(name: str, batches: Sequence[pa.RecordBatch]) -> None:
            files[name] = stack.enter_context(_nameless(batches)).fileno()

        _lend(rows, files, lend)
        child = stack.enter_context(
            Child(
                "core.data.search.sql_child",
                {**question, "files": files},
                variables={"ARROW_DEFAULT_MEMORY_POOL": "system"},
                lent_files=list(files.values()),
            )
        )
        ticket.watch(child.kill)
        try:
            answer: bytearray = child.answer(seconds=SECONDS)
        except ChildTimedOut:
            what = f"the condition was not answered within {SECONDS:.0f} seconds"
            raise DataError(what, line, SIMPLER) from None
        except ChildDied as death:
            ticket.check()  # a newer question has killed it
            raise _explained(death, line) from None
        except BaseException:
            child.kill()
            ticket.check()
            raise
        finally:
            ticket.forget()
    ticket.check()
    return answer


def _explained(death: ChildDied, line: str) -> DataError:
    if death.status < 0 or death.out_of_memory:  # a library that gets no memory may also abort
        return DataError(NO_MEMORY, line, SIMPLER)
    what = f"the condition could not be asked ({death.last_line or death.status})"
    return DataError(what, line, "Run `python -m core doctor`")


def _lend(rows: HeldRows | MappedRows, files: dict[str, int], lend: Any) -> None:
    """The rows as files: `base` with its batches, columns that replace some of it, which rows of it not to see, and
    rows by hand."""
    import pyarrow as pa

    from core.data.storage.mapped_rows import MappedRows

    if not isinstance(rows, MappedRows):
        lend("hand", list(rows.record_batches()))
        return
    if rows.file is not None:
        files["base"] = rows.file.number
    else:
        lend("base", [*rows.parts, rows.parts[0].slice(0, 0)] if rows.parts else [])
    for name, replaced in rows.overlay.columns.items() if rows.overlay is not None else ():
        if replaced.file is not None:
            files[name] = replaced.file.number
        else:
            lend(name, [pa.record_batch([array], names=[name]) for array in replaced.arrays])
    if (hidden := rows.hidden()) is not None:
        lend("hidden", [pa.record_batch([flags(hidden)], names=["hidden"])])
    if (hand := rows.hand()) is not None:
        lend("hand", [hand])


def _nameless(batches: Sequence[pa.RecordBatch]) -> IO[bytes]:
    import pyarrow as pa

    schema = (
        batches[0].schema
        if batches
        else pa.schema([*((column, pa.string()) for column in COLUMNS), ("row", pa.int64())])
    )
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
