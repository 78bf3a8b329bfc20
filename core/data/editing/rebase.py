"""Carries edits over to a changed source: each row is found again by its texts, or its edit is set aside.

No edit is ever applied to a different row. An edit of few rows has their keys in its journal line. For edits of many
rows, one file beside the journal has the keys of all rows, 8 bytes each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.files import private_dir, replace_file
from core.data.editing.bulk_edits import row_keys_by_index
from core.data.editing.journal import JournalContents, UnfitEdit
from core.data.editing.operations import AddRow, ChangeRow, Operation, RewriteRows, SplitRows
from core.data.editing.row_list import pack_rows, unpack_rows
from core.data.storage.edit_overlay import EditableRows
from core.data.storage.edit_table import EditTable
from core.data.storage.memory_rows import MemoryRows
from core.data.storage.row_keys import IDENTITY_COLUMNS, row_key

if TYPE_CHECKING:
    import numpy as np

    KeyArray = np.ndarray[Any, np.dtype[np.uint64]]
    IndexArray = np.ndarray[Any, np.dtype[np.int64]]

FEW_ROWS = 256  # up to this number of rows, their keys are in the journal line of an edit
_ROW_CHANGED = "its row is no longer in the source as it was"


def row_keys_path(journal: Path, base: str) -> Path:
    """The file with the keys of all rows of the source version `base`."""
    return journal.with_name(f"keys-{hashlib.blake2b(base.encode(), digest_size=8).hexdigest()}.bin")


def save_row_keys(journal: Path, base: str, rows: EditableRows) -> None:
    """Write the keys of all rows, once for each version of the source. Raises OSError, or DataError if they cannot be
    computed."""
    path = row_keys_path(journal, base)
    if not path.exists():
        private_dir(path.parent)
        replace_file(path, _all_keys(rows).astype("<u8").tobytes())


def identity_keys(rows: EditableRows, indices: Sequence[int]) -> list[int]:
    """The keys for the journal line of an edit, for rows that are in the source; empty if the edit has many rows."""
    if len(indices) > FEW_ROWS:
        return []
    size = len(rows)
    return [row_key(rows.row(int(index)), IDENTITY_COLUMNS) for index in indices if index < size]


def _all_keys(rows: EditableRows) -> KeyArray:
    import numpy as np

    if isinstance(rows, MemoryRows):
        keys = [row_key(rows.row(index), IDENTITY_COLUMNS) for index in range(len(rows))]
        return np.array(keys, dtype=np.uint64)
    return row_keys_by_index(EditTable(rows), IDENTITY_COLUMNS)


def rebase_journal(contents: JournalContents, rows: EditableRows, journal: Path) -> JournalContents:
    """The contents of a journal, rebased onto `rows`.

    Edits that fit no row are in `unfit`; edits that were in it before are tried again.
    """
    header = contents.header
    assert header is not None  # noqa: S101 - a journal without a header has no edits
    finder = _RowFinder(rows, header.rows, _read_keys(row_keys_path(journal, header.base), header.rows))
    highest = contents.highest - header.rows + len(rows) if contents.highest >= 0 else -1
    rebased = JournalContents(highest=highest, unreadable=contents.unreadable)
    for operation in contents.done:
        rebased.done += finder.fit(operation, rebased.unfit)
    for operation in contents.undone:
        rebased.undone += finder.fit(operation, rebased.unfit)
    for unfit in contents.unfit:
        rebased.done += finder.fit(unfit.edit, rebased.unfit)
    return rebased


def _read_keys(path: Path, rows: int) -> KeyArray | None:
    import numpy as np

    try:
        keys = np.fromfile(path, dtype="<u8")
    except OSError:
        return None
    return keys if len(keys) == rows else None


class _RowFinder:
    """Finds the rows of the old source in the new one."""

    def __init__(self, rows: EditableRows, old_size: int, old_keys: KeyArray | None) -> None:
        import numpy as np

        self._keys = _all_keys(rows)
        self._old_size = old_size
        self._shift = len(rows) - old_size  # of the indices of added rows
        self._order = np.argsort(self._keys, kind="stable")
        self._sorted_keys = self._keys[self._order]
        self._new_indices = _match_keys(old_keys, self._keys) if old_keys is not None else None

    def fit(self, operation: Operation, unfit: list[UnfitEdit]) -> list[Operation]:
        """The operation on the new rows, or nothing; the part that fits no row is added to `unfit`."""
        if isinstance(operation, AddRow):
            return [self._fit_added(operation)]
        if isinstance(operation, ChangeRow):
            new = self._find([operation.row], operation.keys)[0]
            if new is None:
                unfit.append(UnfitEdit(operation, _ROW_CHANGED))
                return []
            return [msgspec.structs.replace(operation, row=new)]
        if isinstance(operation, RewriteRows):
            return self._fit_rewrite(operation, unfit)
        return self._fit_many(operation, unfit)

    def _fit_added(self, operation: AddRow) -> AddRow:
        """The added row, after the same row as before if that still exists, else at the end."""
        after = None if operation.after is None else self._find([operation.after], operation.keys)[0]
        keys = operation.keys if after is not None else []
        return msgspec.structs.replace(operation, row=operation.row + self._shift, after=after, keys=keys)

    def _fit_rewrite(self, operation: RewriteRows, unfit: list[UnfitEdit]) -> list[Operation]:
        old = [row for row, _ in operation.texts]
        keys = self._keys_by_row(old, operation.keys)
        matched: list[tuple[int, dict[str, str]]] = []
        missing: list[tuple[int, dict[str, str]]] = []
        matched_keys: list[int] = []
        missing_keys: list[int] = []
        for (row, texts), new in zip(operation.texts, self._find(old, operation.keys), strict=True):
            row_keys = [keys[row]] if row in keys else []
            if new is None:
                missing.append((row, texts))
                missing_keys += row_keys
            else:
                matched.append((new, texts))
                matched_keys += row_keys
        if missing:
            part = msgspec.structs.replace(operation, texts=missing, keys=missing_keys)
            unfit.append(UnfitEdit(part, _why_missing(len(missing))))
        return [msgspec.structs.replace(operation, texts=matched, keys=matched_keys)] if matched else []

    def _fit_many(self, operation: Any, unfit: list[UnfitEdit]) -> list[Operation]:
        old = unpack_rows(operation.rows)
        keys = self._keys_by_row(old, operation.keys)
        chosen = set(unpack_rows(operation.chosen)) if isinstance(operation, SplitRows) else set()
        matched: list[tuple[int, int]] = []  # new index, old index
        missing: list[int] = []
        for row, new in zip(old, self._find(old, operation.keys), strict=True):
            if new is None:
                missing.append(int(row))
            else:
                matched.append((new, int(row)))

        def part(pairs: Sequence[tuple[int, int]]) -> Operation:
            changes: dict[str, Any] = {
                "rows": pack_rows([new for new, _ in pairs]),
                "count": len(pairs),
                "keys": [keys[row] for _, row in pairs if row in keys],
            }
            if isinstance(operation, SplitRows):
                changes["chosen"] = pack_rows([new for new, row in pairs if row in chosen])
            return msgspec.structs.replace(operation, **changes)  # type: ignore[no-any-return]

        if missing:
            unfit.append(UnfitEdit(part([(row, row) for row in missing]), _why_missing(len(missing))))
        return [part(sorted(matched))] if matched else []

    def _keys_by_row(self, old: Sequence[int], keys: Sequence[int]) -> dict[int, int]:
        from_source = [int(row) for row in old if row < self._old_size]
        return dict(zip(from_source, keys, strict=False))  # there are no keys for many rows

    def _find(self, old: Sequence[int], keys: Sequence[int]) -> list[int | None]:
        """The new index of each old row, None if it is not in the source any more. Two old rows never get the same."""
        remaining_keys = iter(keys)
        new: list[int | None] = []
        taken: set[int] = set()
        for index in map(int, old):
            if index >= self._old_size:
                new.append(index + self._shift)
            elif keys:
                nearest = self._nearest(next(remaining_keys), index, taken)
                if nearest is not None:
                    taken.add(nearest)
                new.append(nearest)
            else:
                matched = int(self._new_indices[index]) if self._new_indices is not None else -1
                new.append(matched if matched >= 0 else None)
        return new

    def _nearest(self, key: int, index: int, taken: set[int]) -> int | None:
        """The row nearest to `index` among the new rows with this key that are not taken."""
        import numpy as np

        key_value = np.uint64(key)
        first = np.searchsorted(self._sorted_keys, key_value, side="left")
        last = np.searchsorted(self._sorted_keys, key_value, side="right")
        candidates = [int(row) for row in self._order[first:last] if int(row) not in taken]
        return min(candidates, key=lambda row: abs(row - index), default=None)


def _why_missing(count: int) -> str:
    return _ROW_CHANGED if count == 1 else f"{count:,} of its rows are no longer in the source as they were"


def _match_keys(old: KeyArray, new: KeyArray) -> IndexArray:
    """The index of the new row with the same key as each old row, -1 if there is none, shape (old rows,). Where several
    rows have one key, the first old row becomes the first new row, and so on."""
    import numpy as np

    def numbered(keys: KeyArray) -> tuple[Any, IndexArray]:
        """The keys sorted, each with its number among equal keys; and the order that sorts them."""
        order = np.argsort(keys, kind="stable")
        rising = keys[order]
        starts = np.zeros(0, dtype=np.int64)
        if len(keys):
            starts = np.nonzero(np.concatenate([[True], rising[1:] != rising[:-1]]))[0]
        pairs = np.empty(len(keys), dtype=[("key", np.uint64), ("number", np.int64)])
        pairs["key"] = rising
        pairs["number"] = np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
        return pairs, order

    old_pairs, old_order = numbered(old)
    new_pairs, new_order = numbered(new)
    matched = np.full(len(old), -1, dtype=np.int64)
    if len(new_pairs):
        positions = np.minimum(np.searchsorted(new_pairs, old_pairs), len(new_pairs) - 1)
        same = new_pairs[positions] == old_pairs
        matched[old_order[same]] = new_order[positions[same]]
    return matched
