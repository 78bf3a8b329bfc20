"""Edits carried over to a source that changed under them: each row is found again by what it says, or its edit is set
apart. Never a wrong row.

An edit of few rows carries their keys (`keying`); for edits of many the keys of all rows lie in one file beside the
journal, 8 bytes a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.files import private_dir, replace_file
from core.data.editing import bulk
from core.data.editing.journal import Lost, Story
from core.data.editing.operations import Add, Change, Operation, Rewrite, Split
from core.data.editing.row_list import pack, unpack
from core.data.storage import row_keys
from core.data.storage.edit_overlay import Edited, Edits
from core.data.storage.memory_rows import HeldRows

if TYPE_CHECKING:
    import numpy as np

    Keys = np.ndarray[Any, np.dtype[np.uint64]]
    Ids = np.ndarray[Any, np.dtype[np.int64]]

FEW = 256  # rows whose keys an edit carries itself
_CHANGED = "its row is no longer in the source as it was"


def keys_path(journal: Path, base: str) -> Path:
    return journal.with_name(f"keys-{hashlib.blake2b(base.encode(), digest_size=8).hexdigest()}.bin")


def keep_keys(journal: Path, base: str, rows: Edited) -> None:
    """Write down the keys of all rows, once for a version of the source. Raises OSError, or DataError where they cannot
    be made."""
    path = keys_path(journal, base)
    if not path.exists():
        private_dir(path.parent)
        replace_file(path, _keys(rows).astype("<u8").tobytes())


def few_keys(rows: Edited, indices: Sequence[int]) -> list[int]:
    """The keys an edit carries: of those rows that are the source's; none where it is about many."""
    if len(indices) > FEW:
        return []
    size = len(rows)
    return [row_keys.key(rows.row(int(index)), row_keys.IDENTITY) for index in indices if index < size]


def _keys(rows: Edited) -> Keys:
    import numpy as np

    if isinstance(rows, HeldRows):
        return np.array(
            [row_keys.key(rows.row(index), row_keys.IDENTITY) for index in range(len(rows))], dtype=np.uint64
        )
    return bulk.keys(Edits(rows), row_keys.IDENTITY)


def rebased(story: Story, rows: Edited, journal: Path) -> Story:
    """The story told of `rows`, with `lost` holding what fits none of them; what was lost before is tried again."""
    begun = story.begun
    assert begun is not None  # noqa: S101 - a story without a beginning has no edits
    finder = _Finder(rows, begun.rows, _table(keys_path(journal, begun.base), begun.rows))
    told = Story(highest=story.highest - begun.rows + len(rows) if story.highest >= 0 else -1, bad=story.bad)
    for operation in story.done:
        told.done += finder.fitting(operation, told.lost)
    for operation in story.undone:
        told.undone += finder.fitting(operation, told.lost)
    for lost in story.lost:
        back = finder.fitting(lost.edit, told.lost)
        told.done += back
    return told


def _table(path: Path, rows: int) -> Keys | None:
    import numpy as np

    try:
        table = np.fromfile(path, dtype="<u8")
    except OSError:
        return None
    return table if len(table) == rows else None


class _Finder:
    def __init__(self, rows: Edited, before: int, table: Keys | None) -> None:
        import numpy as np

        self._keys = _keys(rows)
        self._before, self._shift = before, len(rows) - before
        self._order = np.argsort(self._keys, kind="stable")
        self._rising = self._keys[self._order]
        self._table = _matched(table, self._keys) if table is not None else None

    def fitting(self, operation: Operation, lost: list[Lost]) -> list[Operation]:
        """The operation on the rows as they are now, one or none; what of it fits no row goes to `lost`."""
        if isinstance(operation, Add):
            after = None if operation.after is None else self._new([operation.after], operation.keys)[0]
            return [
                msgspec.structs.replace(
                    operation,
                    row=operation.row + self._shift,
                    after=after,
                    keys=operation.keys if after is not None else [],
                )
            ]
        if isinstance(operation, Change):
            new = self._new([operation.row], operation.keys)[0]
            if new is None:
                lost.append(Lost(operation, _CHANGED))
                return []
            return [msgspec.structs.replace(operation, row=new)]
        if isinstance(operation, Rewrite):
            return self._rewritten(operation, lost)
        return self._many(operation, lost)

    def _rewritten(self, operation: Rewrite, lost: list[Lost]) -> list[Operation]:
        old = [row for row, _ in operation.texts]
        keys = dict(zip((row for row in old if row < self._before), operation.keys, strict=False))
        kept: list[tuple[int, dict[str, str]]] = []
        missing: list[tuple[int, dict[str, str]]] = []
        carried: dict[bool, list[int]] = {True: [], False: []}
        for (row, texts), new in zip(operation.texts, self._new(old, operation.keys), strict=True):
            (missing if new is None else kept).append((row if new is None else new, texts))
            carried[new is not None] += [keys[row]] if row in keys else []
        if missing:
            why = (
                _CHANGED
                if len(missing) == 1
                else f"{len(missing):,} of its rows are no longer in the source as they were"
            )
            lost.append(Lost(msgspec.structs.replace(operation, texts=missing, keys=carried[False]), why))
        return [msgspec.structs.replace(operation, texts=kept, keys=carried[True])] if kept else []

    def _many(self, operation: Any, lost: list[Lost]) -> list[Operation]:
        old = unpack(operation.rows)
        new = self._new(old, operation.keys)
        chosen = set(unpack(operation.chosen)) if isinstance(operation, Split) else set()
        kept = sorted((index, int(was)) for was, index in zip(old, new, strict=True) if index is not None)
        missing = [int(was) for was, index in zip(old, new, strict=True) if index is None]
        keys = dict(zip((int(index) for index in old if index < self._before), operation.keys, strict=False))

        def part(pairs: Sequence[tuple[int, int]]) -> Operation:
            more = (
                {"chosen": pack([index for index, was in pairs if was in chosen])}
                if isinstance(operation, Split)
                else {}
            )
            carried = [keys[was] for _, was in pairs if was in keys]
            rows = pack([index for index, _ in pairs])
            return msgspec.structs.replace(operation, rows=rows, count=len(pairs), keys=carried, **more)  # type: ignore[no-any-return]

        if missing:
            why = (
                _CHANGED
                if len(missing) == 1
                else f"{len(missing):,} of its rows are no longer in the source as they were"
            )
            lost.append(Lost(part([(was, was) for was in missing]), why))
        return [part(kept)] if kept else []

    def _new(self, old: Sequence[int], keys: Sequence[int]) -> list[int | None]:
        """For each index what it is now. Two old rows never become one."""
        import numpy as np

        carried = iter(keys)
        new: list[int | None] = []
        taken: set[int] = set()
        for index in map(int, old):
            if index >= self._before:
                new.append(index + self._shift)
            elif keys:
                key = np.uint64(next(carried))
                first, last = (
                    np.searchsorted(self._rising, key, side="left"),
                    np.searchsorted(self._rising, key, side="right"),
                )
                there = [int(one) for one in self._order[first:last] if int(one) not in taken]
                found = min(there, key=lambda one: abs(one - index), default=None)
                if found is not None:
                    taken.add(found)
                new.append(found)
            else:
                found = int(self._table[index]) if self._table is not None else -1
                new.append(found if found >= 0 else None)
        return new


def _matched(old: Keys, new: Keys) -> Ids:
    """For every old row the new one with the same key, -1 where there is none; of several the first old is the first
    new, and so on."""
    import numpy as np

    def numbered(keys: Keys) -> tuple[Any, Any]:
        order = np.argsort(keys, kind="stable")
        rising = keys[order]
        starts = (
            np.nonzero(np.concatenate([[True], rising[1:] != rising[:-1]]))[0]
            if len(keys)
            else np.zeros(0, dtype=np.int64)
        )
        count = np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
        pairs = np.empty(len(keys), dtype=[("key", np.uint64), ("count", np.int64)])
        pairs["key"], pairs["count"] = rising, count
        return pairs, order

    olds, old_order = numbered(old)
    news, new_order = numbered(new)
    matched = np.full(len(old), -1, dtype=np.int64)
    if len(news):
        places = np.minimum(np.searchsorted(news, olds), len(news) - 1)
        same = news[places] == olds
        matched[old_order[same]] = new_order[places[same]]
    return matched
