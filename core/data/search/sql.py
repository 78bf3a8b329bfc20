"""SQL on rows, asked of a process of its own: a condition a person wrote may want all the memory there is, or never
end, and must cost only itself.

The process (`sql_child`) maps the same files; what lies in memory here goes to it in files that have no name. Knows the
way there, no SQL.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

from core.base.child import environment
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
REFUSED = 3  # the child's exit code where it says in words why there is no answer


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


def _ask(rows: HeldRows | MappedRows, question: dict[str, Any], ticket: Ticket) -> bytes:
    with ExitStack() as stack:
        files: dict[str, int] = {}

        def lend(name: str, batches: Sequence[pa.RecordBatch]) -> None:
            files[name] = stack.enter_context(_nameless(batches)).fileno()

        _lend(rows, files, lend)
        command = [sys.executable, "-m", "core.data.search.sql_child", json.dumps({**question, "files": files})]
        child = stack.enter_context(
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=list(files.values()),
                env=environment(ARROW_DEFAULT_MEMORY_POOL="system"),
            )
        )
        ticket.watch(child.kill)
        try:
            out, errors = child.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            raise DataError(
                f"the condition was not answered within {SECONDS:.0f} seconds",
                str(question.get("line", "")),
                "Ask less of it",
            ) from None
        except BaseException:
            child.kill()
            raise
        finally:
            ticket.forget()
    ticket.check()
    if child.returncode == 0:
        return out
    line = str(question.get("line", ""))
    if child.returncode == REFUSED:
        said = json.loads(out)
        raise DataError(said["what"], line, said["do"])
    told = errors.decode("utf-8", "replace").strip().splitlines()
    if child.returncode < 0 or any("MemoryError" in one or "bad_alloc" in one for one in told):
        raise DataError("the condition wants more memory than there is for it", line, "Ask less of it")
    raise DataError(
        f"the condition could not be asked ({told[-1] if told else child.returncode})",
        line,
        "Run `python -m core doctor`",
    )


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
