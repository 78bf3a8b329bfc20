"""Text search, filters and order over Arrow batches, in two threads and by growing answers. Knows `mapped`'s batches;
edits lie over them there."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from core.base.row import COLUMNS
from core.data.filters import Filters
from core.data.search import row_query
from core.data.storage.arrow_arrays import as_mask, as_numbers, flags, numbers

if TYPE_CHECKING:
    import pyarrow as pa

    from core.data.storage.mapped_rows import Ids, MappedRows, Mask

_TOLD = 0.1  # seconds between two growing answers
_RARE = (
    0.5  # where fewer rows of a batch pass its flags, or fewer groups hold a hit, the others are not looked at for text
)
_GROUP = 32  # texts looked at as one

Column = Callable[[int], "pa.Array"]


def find(rows: MappedRows, filters: Filters, ticket: row_query.Ticket) -> Iterator[tuple[float, Sequence[int]]]:
    import numpy as np

    passed = None
    if filters.where:
        from core.data.search.sql import where

        passed = np.zeros(rows.highest + 1, dtype=bool)
        passed[where(rows, filters.where, ticket)] = True
    sort = row_query.order(filters.sort)
    parts: list[Ids] = []
    told = 0.0
    total = max(1, rows.starts[-1])
    for place, hits in _hits(rows, filters, ticket, passed):
        parts.append(hits)
        now = time.monotonic()
        if place < len(rows.parts) and not sort[1] and passed is None and len(hits) and now - told >= _TOLD:
            told = now
            yield rows.starts[place + 1] / total, _placed(rows, np.concatenate(parts))  # type: ignore[misc]  # an array is a sequence in all that is used
    found = _placed(rows, np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64))
    if sort[1]:
        found = _sorted(rows, found, *sort, filters.descending)
    ticket.check()
    yield 1.0, found  # type: ignore[misc]  # an array is a sequence in all that is used


def _hits(rows: MappedRows, filters: Filters, ticket: row_query.Ticket, passed: Any) -> Iterator[tuple[int, Ids]]:
    """For every batch the indices that pass, rising; last those of the rows that were edited by hand."""
    import numpy as np

    test = _test(filters)
    hidden = rows.hidden()

    def look(place: int) -> Ids:
        ticket.check()
        start, end = rows.starts[place], rows.starts[place + 1]
        seen = None if hidden is None else ~hidden[start:end]
        if passed is not None:
            seen = passed[start:end] if seen is None else seen & passed[start:end]
        return test(lambda column: rows.column(place, column), end - start, seen) + start

    yield from _threaded(look, len(rows.parts))
    if (hand := rows.hand()) is not None:
        indices = as_numbers(hand.column(len(COLUMNS)))
        yield len(rows.parts), indices[test(hand.column, len(hand), None if passed is None else passed[indices])]
    elif not rows.parts:
        yield 0, np.zeros(0, dtype=np.int64)


def _threaded(look: Callable[[int], Any], count: int) -> Iterator[tuple[int, Any]]:
    """`look` at every place, a few ahead of whoever takes the results in order."""
    threads = min(4, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="scan")
    try:
        waiting: deque[tuple[int, Any]] = deque()
        for place in range(count):
            waiting.append((place, pool.submit(look, place)))
            if len(waiting) > 2 * threads:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _test(filters: Filters) -> Callable[[Column, int, Any], Ids]:
    """The filters but WHERE, as a function of a batch's columns, its length and a mask of the rows to look at: the
    places that pass."""
    import numpy as np
    import pyarrow.compute as pc

    equal = [(COLUMNS.index(name), getattr(filters, name)) for name in ("syslang", "sysflag") if getattr(filters, name)]
    texts = [COLUMNS.index(column) for column in filters.columns or COLUMNS]
    quick, true = row_query.mapped_patterns(filters.text)
    whole = row_query.held_pattern(filters.text) if len(filters.text) > row_query.LONG else None

    def test(column: Column, length: int, seen: Any) -> Ids:
        mask = None if seen is None else flags(seen)
        for which, value in equal:
            same = pc.equal(column(which), value)
            mask = same if mask is None else pc.and_(mask, same)
        places = None if mask is None else np.nonzero(as_mask(mask))[0]
        if not filters.text:
            return np.arange(length) if places is None else places
        few = places is not None and len(places) < _RARE * length
        if few and not len(places):  # type: ignore[arg-type]
            return np.zeros(0, dtype=np.int64)
        found: Mask = np.zeros(len(places) if places is not None and few else length, dtype=np.bool_)
        for which in texts:
            array = column(which)
            if few:
                array = array.take(numbers(places))  # type: ignore[arg-type]
            match = _matched(array, quick, true)
            if whole is not None:  # what the beginning of a long needle found is held against the whole of it
                for place in np.nonzero(match)[0]:
                    match[place] = whole.search(array[int(place)].as_py()) is not None
            found |= match
        if not few and mask is not None:
            found &= as_mask(mask)
        hits = np.nonzero(found)[0]
        return places[hits] if few else hits  # type: ignore[index]

    return test


def _matched(array: pa.Array, quick: str, true: str) -> Mask:
    """Which texts match. They lie end to end in memory, so a group of them is looked at as one text first: half the
    time where hits are rare."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    _, offsets, data = array.buffers()
    found: Mask = np.zeros(len(array), dtype=np.bool_)
    if not len(array) or data is None:
        return found
    starts = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    cuts = np.append(starts[:-1:_GROUP], starts[-1])
    groups = np.nonzero(
        as_mask(pc.match_substring_regex(pa.StringArray.from_buffers(len(cuts) - 1, pa.py_buffer(cuts), data), quick))
    )[0]
    if len(groups) > _RARE * len(cuts):
        return as_mask(pc.match_substring_regex(array, true))
    places = (groups[:, None] * _GROUP + np.arange(_GROUP)).ravel()
    places = places[places < len(array)]
    found[places[as_mask(pc.match_substring_regex(array.take(numbers(places)), true))]] = True
    return found


def _placed(rows: MappedRows, found: Ids) -> Ids:
    """The indices found, in the order of the data set."""
    import numpy as np

    order = rows.order()
    if isinstance(order, range):
        return found if rows.hand() is None else np.sort(found)  # edited rows are found last, wherever they stand
    mask = np.zeros(rows.highest + 1, dtype=bool)
    mask[found] = True
    placed = np.asarray(order)
    return placed[mask[placed]]  # type: ignore[no-any-return]


def _sorted(rows: MappedRows, found: Ids, kind: str, columns: Sequence[str], descending: bool) -> Ids:
    """Stable, so that equal rows keep the order of the data set, also descending."""
    import numpy as np

    keys = (_lengths if kind == "length" else _ranks)(rows, [COLUMNS.index(column) for column in columns])[found]
    return found[np.argsort(-keys if descending else keys, kind="stable")]


def _lengths(rows: MappedRows, columns: Sequence[int]) -> Ids:
    """By index, the characters of the columns together."""
    import numpy as np
    import pyarrow.compute as pc

    keys = np.zeros(rows.highest + 1, dtype=np.int64)

    def measured(column: Column) -> Any:
        return sum(as_numbers(pc.utf8_length(column(which))).astype(np.int64) for which in columns)

    for place, lengths in _threaded(lambda place: measured(lambda which: rows.column(place, which)), len(rows.parts)):
        keys[rows.starts[place] : rows.starts[place + 1]] = lengths
    if (hand := rows.hand()) is not None:
        keys[as_numbers(hand.column(len(COLUMNS)))] = measured(hand.column)
    return keys


def _ranks(rows: MappedRows, columns: Sequence[int]) -> Ids:
    """By index, the place of a column's text among all texts of it, by code points; equal texts share one."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    hand = rows.hand()
    arrays = [rows.column(place, columns[0]) for place in range(len(rows.parts))]
    ranks = pc.rank(
        pa.chunked_array([*arrays, hand.column(columns[0])] if hand is not None else arrays, pa.string()),
        tiebreaker="dense",
    )
    ranks = as_numbers(ranks).astype(np.int64)
    keys = np.zeros(rows.highest + 1, dtype=np.int64)
    keys[: rows.starts[-1]] = ranks[: rows.starts[-1]]
    if hand is not None:
        keys[as_numbers(hand.column(len(COLUMNS)))] = ranks[rows.starts[-1] :]
    return keys
