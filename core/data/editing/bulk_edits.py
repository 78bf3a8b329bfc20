"""Edits many rows at once: row by row in memory, column by column in a large source.

Changes an `EditTable`; knows no journal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import DataError
from core.base.row import COLUMNS, Row
from core.data.columns.thinking import MARKER_PATTERN, split_thinking
from core.data.storage.arrow_arrays import bool_array, bool_values, int64_array, string_array
from core.data.storage.edit_overlay import ReplacedColumn
from core.data.storage.edit_table import EditTable, UndoRecord
from core.data.storage.memory_rows import MemoryRows
from core.data.storage.row_keys import QUESTION_COLUMNS, row_key

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.data.storage.arrow_rows import ArrowRows, IndexArray, RowMask

    NewColumn = Callable[[int, RowMask, pa.Array], pa.Array]
    """Makes the new texts of a batch. Called with its number, a mask of the rows to change, and its current texts."""

SPLIT_SEED = 3442  # of a split into test and train rows, where the user gives none
FEW_ROWS = 2000  # up to this number, rows of a large source are edited one by one
_COLUMN_BYTES = 1 << 30  # of one column in one batch, half of what Arrow's offsets can address


def delete_rows(table: EditTable, indices: Sequence[int], undo: UndoRecord) -> int:
    """Delete rows; returns how many. Raises IndexError if one does not exist."""
    if _is_one_by_one(table, indices):
        for index in indices:
            if not table.has_row(index):
                raise IndexError(f"there is no row {index}")
        table.delete_rows([int(index) for index in indices], undo)
    else:
        import numpy as np

        _check_rows(table, indices)
        table.delete_many_rows(np.asarray(indices, dtype=np.int64), undo)
    return len(indices)


def fill_column(table: EditTable, indices: Sequence[int], column: str, text: str, undo: UndoRecord) -> int:
    """Set `column` to `text`; returns how many rows had another text.

    Raises IndexError if a row does not exist, ValueError if the column does not, DataError if the column becomes too
    large or cannot be written.
    """
    if column not in COLUMNS:
        raise ValueError(f"there is no column {column}")
    if _is_one_by_one(table, indices):
        return sum(_set_texts(table, table.row(int(index)), {column: text}, undo) for index in indices)
    import pyarrow.compute as pc

    largest_batch = max(len(batch) for batch in _arrow_rows(table).batches)
    if len(text.encode()) * largest_batch > _COLUMN_BYTES:
        raise DataError("the text is too long for so many rows", "", "Set it in fewer rows at once")
    patched, mask = _split_off_patched(table, indices)
    changed = sum(_set_texts(table, table.row(index), {column: text}, undo) for index in patched)

    def filled(_: int, chosen: RowMask, old: pa.Array) -> pa.Array:
        nonlocal changed
        changed += int((chosen & bool_values(pc.not_equal(old, text))).sum())
        return pc.if_else(bool_array(chosen), text, old)

    _rewrite_columns(table, {column: filled}, mask, undo)
    return changed


def choose_test_rows(
    table: EditTable, indices: Sequence[int], share: float, seed: int
) -> tuple[Sequence[int] | IndexArray, Sequence[int] | IndexArray]:
    """Indices of the rows for testing, about `share` of them, and of the others.

    The side of a row depends only on the seed, its instruction and its input. So rows with the same question are on the
    same side, and there may be a few more test rows than `share`.
    """
    test_count = round(len(indices) * share)
    prefix = f"{seed}:"
    if _is_one_by_one(table, indices):
        drawn = [row_key(table.row(int(index)), QUESTION_COLUMNS, prefix) for index in indices]
        last = sorted(drawn)[test_count - 1] if test_count else -1
        test = [int(index) for index, key in zip(indices, drawn, strict=True) if key <= last]
        train = [int(index) for index, key in zip(indices, drawn, strict=True) if key > last]
        return test, train
    import numpy as np

    _check_rows(table, indices)
    rising = np.asarray(indices)
    keys = row_keys_by_index(table, QUESTION_COLUMNS, prefix)[rising]
    is_test = np.zeros(len(keys), dtype=bool)
    if test_count:
        is_test = keys <= np.partition(keys, test_count - 1)[test_count - 1]
    return rising[is_test], rising[~is_test]


def row_keys_by_index(
    table: EditTable, columns: Sequence[str], prefix: str = ""
) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """`row_keys.row_key` of every row as edited, shape (largest index + 1,); 0 where there is no row."""
    import numpy as np

    from core.data.search.running_queries import RunningQueries
    from core.data.search.sql import row_keys_of

    rows = table.base.with_overlay(table.overlay())
    indices, keys = row_keys_of(rows, prefix, columns, RunningQueries().ticket())
    by_index = np.zeros(table.next_index, dtype=np.uint64)
    by_index[indices] = keys
    return by_index


def extract_reasoning(table: EditTable, indices: Sequence[int], undo: UndoRecord) -> int:
    """Move the text between reasoning markers from `output` to `reasoning`; returns how many rows changed.

    No text is ever lost: a row stays unchanged if its reasoning never ends, if nothing follows it, or if the reasoning
    column has another text already.
    """
    if _is_one_by_one(table, indices):
        return sum(_extract_from_row(table, int(index), undo) for index in indices)
    import numpy as np
    import pyarrow.compute as pc

    patched, mask = _split_off_patched(table, indices)
    changed = sum(_extract_from_row(table, index, undo) for index in patched)
    source = _arrow_rows(table)
    replaced = table.columns.get("reasoning")
    moved: dict[int, dict[int, str]] = {}  # by batch and offset; filled by new_output, emptied by new_reasoning

    def new_output(batch: int, chosen: RowMask, outputs: pa.Array) -> pa.Array:
        nonlocal changed
        marked = np.nonzero(chosen & bool_values(pc.match_substring_regex(outputs, MARKER_PATTERN)))[0]
        if replaced is not None:
            reasonings = replaced.arrays[batch]
        else:
            reasonings = source.batches[batch].column(COLUMNS.index("reasoning"))
        offsets = int64_array(marked)
        pairs = zip(outputs.take(offsets).to_pylist(), reasonings.take(offsets).to_pylist(), strict=True)
        moved[batch] = {}
        answers = {}
        for offset, (output, reasoning) in zip(marked.tolist(), pairs, strict=True):
            if (parts := _reasoning_and_answer(output, reasoning)) is not None:
                moved[batch][offset], answers[offset] = parts
        changed += len(answers)
        return _with_texts(outputs, answers)

    def new_reasoning(batch: int, _: RowMask, reasonings: pa.Array) -> pa.Array:
        return _with_texts(reasonings, moved.pop(batch, {}))

    _rewrite_columns(table, {"output": new_output, "reasoning": new_reasoning}, mask, undo)
    return changed


def _extract_from_row(table: EditTable, index: int, undo: UndoRecord) -> int:
    row = table.row(index)
    parts = _reasoning_and_answer(row.output, row.reasoning)
    return 0 if parts is None else _set_texts(table, row, {"reasoning": parts[0], "output": parts[1]}, undo)


def _reasoning_and_answer(output: str, reasoning: str) -> tuple[str, str] | None:
    parts = split_thinking(output)
    if parts is None or not parts.reasoning or not (parts.answer or "").strip():
        return None
    if reasoning.strip() not in ("", parts.reasoning):
        return None
    return parts.reasoning, parts.answer or ""


def _with_texts(array: pa.Array, texts: dict[int, str]) -> pa.Array:
    """The array with new texts at some offsets, in ascending order."""
    import numpy as np
    import pyarrow.compute as pc

    if not texts:
        return array
    mask = np.zeros(len(array), dtype=bool)
    mask[list(texts)] = True
    return pc.replace_with_mask(array, bool_array(mask), string_array(list(texts.values())))


def _set_texts(table: EditTable, row: Row, texts: dict[str, str], undo: UndoRecord) -> int:
    after = msgspec.structs.replace(row, **texts)
    if after == row:
        return 0
    table.put_row(after, undo)
    return 1


def _is_one_by_one(table: EditTable, indices: Sequence[int]) -> bool:
    return isinstance(table.base, MemoryRows) or len(indices) <= FEW_ROWS


def _arrow_rows(table: EditTable) -> ArrowRows:
    return table.base  # type: ignore[return-value]  # rows in memory are all edited one by one


def _check_rows(table: EditTable, indices: Sequence[int]) -> None:
    """Raises IndexError if one of many rows does not exist."""
    import numpy as np

    exists = np.zeros(table.next_index, dtype=bool)
    exists[: table.size] = np.frombuffer(table.deleted, dtype=np.uint8) == 0
    exists[[index for index in table.patches if index >= table.size]] = True
    if len(indices) and (indices[0] < 0 or indices[-1] >= table.next_index or not exists[indices].all()):
        raise IndexError("some of these rows do not exist")


def _split_off_patched(table: EditTable, indices: Sequence[int]) -> tuple[list[int], RowMask]:
    """The rows that were edited one by one, and a mask of the others, shape (rows of the source,)."""
    import numpy as np

    _check_rows(table, indices)
    chosen = np.zeros(table.next_index, dtype=bool)
    chosen[indices] = True
    patched = [index for index in table.patches if chosen[index]]
    chosen[patched] = False
    return patched, chosen[: table.size]


def _rewrite_columns(table: EditTable, new_columns: dict[str, NewColumn], mask: RowMask, undo: UndoRecord) -> None:
    """Replace columns of the source's rows, batch by batch where `mask` has rows.

    All columns of a batch are made before the next batch, in the order of `new_columns`, so that one can prepare
    another.
    """
    import numpy as np
    import pyarrow.compute as pc

    from core.data.storage.column_files import ColumnWriter

    source_rows = _arrow_rows(table)
    writers = {name: ColumnWriter(name) for name in new_columns}
    replaced = {name: table.columns.get(name) for name in new_columns}
    differs: dict[str, RowMask] = {}
    for name, before in replaced.items():
        differs[name] = before.differs.copy() if before is not None else np.zeros(table.size, dtype=bool)
    for batch in range(len(source_rows.batches)):
        start, end = source_rows.starts[batch], source_rows.starts[batch + 1]
        chosen = mask[start:end]
        for name, new_column in new_columns.items():
            source = source_rows.batches[batch].column(COLUMNS.index(name))
            before = replaced[name]
            old = before.arrays[batch] if before is not None else source
            new = new_column(batch, chosen, old) if chosen.any() else old
            if new is not old:
                differs[name][start:end] = bool_values(pc.not_equal(new, source))
            try:
                writers[name].append(new)
            except OSError as error:
                raise DataError(
                    f"the edited column cannot be stored ({error.strerror or error})",
                    str(error.filename or ""),
                    "Free space there, or set SUIRON_CACHE to another disk",
                ) from error
    for name, writer in writers.items():
        table.replace_column(name, ReplacedColumn(*writer.finish(), differs[name]), undo)
