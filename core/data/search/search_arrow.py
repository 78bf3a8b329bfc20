"""Text search, filters, order and counts over Arrow batches, in several threads and with results that grow.

The batches have the rows of the source after bulk edits; rows that were edited one by one are hidden there and searched
as one more batch at the end.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from core.base.row import COLUMNS, FIELDS
from core.data.filters import RowFilters
from core.data.search.filter_rules import sort_columns
from core.data.search.running_queries import QueryTicket
from core.data.search.text_patterns import PREFIX_LENGTH, python_pattern, re2_patterns
from core.data.storage.arrow_arrays import bool_array, bool_values, int64_array, int_values
from core.data.storage.arrow_rows import ArrowRows

if TYPE_CHECKING:
    import pyarrow as pa

    from core.data.storage.arrow_rows import IndexArray, RowMask

    GetColumn = Callable[[int], pa.Array]
    """Returns a column of a batch by its number."""
    BatchTest = Callable[[GetColumn, int, RowMask | None], IndexArray]
    """Returns the offsets of the rows that pass. Called with a batch's columns, its length, and a mask of the rows to
    test (None: all)."""

_GROWTH_SECONDS = 0.1  # between two growing results
_RARE_SHARE = 0.5  # of the rows or groups of a batch: with fewer candidates, only the candidates are searched for text
_GROUP_TEXTS = 32  # that are searched as one text first
_ROW = len(FIELDS)  # number of the column `row` in a batch of patches


def find_rows(store: ArrowRows, filters: RowFilters, ticket: QueryTicket) -> Iterator[tuple[float, Sequence[int]]]:
    """Like `row_search.find_rows`."""
    import numpy as np

    passed = None
    if filters.where:
        from core.data.search.sql import rows_where

        passed = np.zeros(store.highest + 1, dtype=bool)
        passed[rows_where(store, filters.where, ticket)] = True
    compare, sorted_by = sort_columns(filters.sort)
    grows = not sorted_by and passed is None
    total = max(1, store.starts[-1])
    hits: list[IndexArray] = [np.zeros(0, dtype=np.int64)]
    last_result = 0.0
    for batch, batch_hits in _hits(store, filters, ticket, passed):
        hits.append(batch_hits)
        now = time.monotonic()
        is_source_batch = batch < len(store.batches)
        if grows and is_source_batch and len(batch_hits) and now - last_result >= _GROWTH_SECONDS:
            last_result = now
            yield store.starts[batch + 1] / total, _in_order(store, np.concatenate(hits))  # type: ignore[misc]  # an array is a sequence in every way used here
    ordered = _in_order(store, np.concatenate(hits))
    if sorted_by:
        columns = [COLUMNS.index(column) for column in sorted_by]
        keys = (_lengths if compare == "length" else _ranks)(store, columns)[ordered]
        ordered = ordered[np.argsort(-keys if filters.descending else keys, kind="stable")]
    ticket.check()
    yield 1.0, ordered  # type: ignore[misc]  # an array is a sequence in every way used here


def count_values(store: ArrowRows, column: str) -> dict[str, int]:
    """How many rows have each text of `column`."""
    import pyarrow.compute as pc

    counts: Counter[str] = Counter()
    for array in store.visible_arrays(COLUMNS.index(column)):
        for pair in pc.value_counts(array):
            counts[pair["values"].as_py()] += pair["counts"].as_py()
    return dict(counts)


def count_empty_reasoning(store: ArrowRows, sysflag: str) -> int:
    """How many rows have no reasoning, or only white space; only rows with `sysflag`, if it is not empty."""
    import pyarrow.compute as pc

    total = 0
    sysflags = store.visible_arrays(COLUMNS.index("sysflag")) if sysflag else None
    for array in store.visible_arrays(COLUMNS.index("reasoning")):
        empty = pc.equal(pc.utf8_trim_whitespace(array), "")
        if sysflags is not None:
            empty = pc.and_(empty, pc.equal(next(sysflags), sysflag))
        total += pc.sum(empty).as_py() or 0
    return total


def _hits(
    store: ArrowRows, filters: RowFilters, ticket: QueryTicket, passed: RowMask | None
) -> Iterator[tuple[int, IndexArray]]:
    """The indices of the rows that pass in each batch, ascending; the batch of patches is last."""
    test = _batch_test(filters)
    hidden = store.hidden_mask()

    def search(batch: int) -> IndexArray:
        ticket.check()
        start, end = store.starts[batch], store.starts[batch + 1]
        row_mask = None if hidden is None else ~hidden[start:end]
        if passed is not None:
            row_mask = passed[start:end] if row_mask is None else row_mask & passed[start:end]
        return test(lambda column: store.column(batch, column), end - start, row_mask) + start

    yield from _in_threads(search, len(store.batches))
    if (patches := store.patch_batch()) is not None:
        indices = int_values(patches.column(_ROW))
        row_mask = None if passed is None else passed[indices]
        yield len(store.batches), indices[test(patches.column, len(patches), row_mask)]


def _in_threads(work: Callable[[int], Any], count: int) -> Iterator[tuple[int, Any]]:
    """Call `work` with 0 to count - 1, a few calls ahead of the consumer; yields (number, result) in order."""
    threads = min(4, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="search")
    try:
        waiting: deque[tuple[int, Any]] = deque()
        for number in range(count):
            waiting.append((number, pool.submit(work, number)))
            if len(waiting) > 2 * threads:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _batch_test(filters: RowFilters) -> BatchTest:
    """All filters except the SQL condition, as a test of one batch."""
    import numpy as np
    import pyarrow.compute as pc

    equal = [(COLUMNS.index(name), getattr(filters, name)) for name in ("syslang", "sysflag") if getattr(filters, name)]
    text_columns = [COLUMNS.index(column) for column in filters.columns or COLUMNS]
    fast, exact = re2_patterns(filters.text)
    full_pattern = python_pattern(filters.text) if len(filters.text) > PREFIX_LENGTH else None

    def text_hits(arrays: list[pa.Array], length: int) -> RowMask:
        hits = np.zeros(length, dtype=np.bool_)
        for array in arrays:
            matches = _matches(array, fast, exact)
            if full_pattern is not None:  # the RE2 patterns have only the beginning of a long text
                for offset in np.nonzero(matches)[0]:
                    matches[offset] = full_pattern.search(array[int(offset)].as_py()) is not None
            hits |= matches
        return hits

    def test(get_column: GetColumn, length: int, row_mask: RowMask | None) -> IndexArray:
        mask = None if row_mask is None else bool_array(row_mask)
        for number, value in equal:
            same = pc.equal(get_column(number), value)
            mask = same if mask is None else pc.and_(mask, same)
        candidates = None if mask is None else np.nonzero(bool_values(mask))[0]
        if not filters.text:
            return np.arange(length) if candidates is None else candidates
        if candidates is not None and not len(candidates):
            return candidates
        if candidates is None or len(candidates) >= _RARE_SHARE * length:
            hits = text_hits([get_column(number) for number in text_columns], length)
            if mask is not None:
                hits &= bool_values(mask)
            return np.nonzero(hits)[0]
        chosen = int64_array(candidates)
        hits = text_hits([get_column(number).take(chosen) for number in text_columns], len(candidates))
        return candidates[np.nonzero(hits)[0]]

    return test


def _matches(array: pa.Array, fast: str, exact: str) -> RowMask:
    """Which texts match `exact`, shape (length,).

    The texts of an array are contiguous in memory, so a group of them is first searched as one text with `fast`. That
    takes half the time if hits are rare.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    _, offset_buffer, data = array.buffers()
    hits: RowMask = np.zeros(len(array), dtype=np.bool_)
    if not len(array) or data is None:
        return hits
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    group_offsets = np.append(offsets[:-1:_GROUP_TEXTS], offsets[-1])
    grouped = pa.StringArray.from_buffers(len(group_offsets) - 1, pa.py_buffer(group_offsets), data)
    groups = np.nonzero(bool_values(pc.match_substring_regex(grouped, fast)))[0]
    if len(groups) > _RARE_SHARE * len(group_offsets):
        return bool_values(pc.match_substring_regex(array, exact))
    candidates = (groups[:, None] * _GROUP_TEXTS + np.arange(_GROUP_TEXTS)).ravel()
    candidates = candidates[candidates < len(array)]
    matches = bool_values(pc.match_substring_regex(array.take(int64_array(candidates)), exact))
    hits[candidates[matches]] = True
    return hits


def _in_order(store: ArrowRows, hits: IndexArray) -> IndexArray:
    """The indices `found`, in the order of the data set."""
    import numpy as np

    order = store.order()
    if isinstance(order, range):  # patches are found last, but may be at any position
        return hits if store.patch_batch() is None else np.sort(hits)
    mask = np.zeros(store.highest + 1, dtype=bool)
    mask[hits] = True
    ordered = np.asarray(order)
    return ordered[mask[ordered]]  # type: ignore[no-any-return]


def _lengths(store: ArrowRows, columns: Sequence[int]) -> IndexArray:
    """The total length of the columns in characters, by row index."""
    import numpy as np
    import pyarrow.compute as pc

    keys = np.zeros(store.highest + 1, dtype=np.int64)

    def measure(get_column: GetColumn) -> Any:
        return sum(int_values(pc.utf8_length(get_column(number))).astype(np.int64) for number in columns)

    def measure_batch(batch: int) -> Any:
        return measure(lambda number: store.column(batch, number))

    for batch, lengths in _in_threads(measure_batch, len(store.batches)):
        keys[store.starts[batch] : store.starts[batch + 1]] = lengths
    if (patches := store.patch_batch()) is not None:
        keys[int_values(patches.column(_ROW))] = measure(patches.column)
    return keys


def _ranks(store: ArrowRows, columns: Sequence[int]) -> IndexArray:
    """The rank of a column's text by code points, by row index; equal texts share a rank."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    patches = store.patch_batch()
    arrays = [store.column(batch, columns[0]) for batch in range(len(store.batches))]
    if patches is not None:
        arrays.append(patches.column(columns[0]))
    ranks = pc.rank(pa.chunked_array(arrays, pa.string()), tiebreaker="dense")
    ranks = int_values(ranks).astype(np.int64)
    keys = np.zeros(store.highest + 1, dtype=np.int64)
    keys[: store.starts[-1]] = ranks[: store.starts[-1]]
    if patches is not None:
        keys[int_values(patches.column(_ROW))] = ranks[store.starts[-1] :]
    return keys
