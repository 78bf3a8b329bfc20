"""Shares out the rows of an update among the ranks, so that each computes as many tokens as the others. Imports no
torch."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from core.training.packed_rows import PackedRows, join_rows, rows_between


def equal_shares(sizes: Sequence[int], count: int) -> list[list[int]]:
    """`count` lists of indices into `sizes`, each ascending, whose sums are nearly equal: the largest differences are
    evened out first (Karmarkar and Karp, 1982), then the heaviest share exchanges items with others while that helps.
    The same on every rank. Lists may be empty where there are few."""
    # A partial solution is `count` shares, the heaviest first; the one with the largest difference is merged first.
    heap: list[tuple[int, int, list[tuple[int, list[int]]]]] = []
    for index, size in enumerate(sizes):
        alone = [(size, [index]), *((0, list[int]()) for _ in range(count - 1))]
        heap.append((-size, index, alone))
    heapq.heapify(heap)
    order = len(sizes)  # equal differences are merged in the order in which they came
    while len(heap) > 1:
        (_, _, first), (_, _, second) = heapq.heappop(heap), heapq.heappop(heap)
        merged = [
            (heavy + light, [*some, *more])
            for (heavy, some), (light, more) in zip(first, reversed(second), strict=True)
        ]
        merged.sort(key=lambda share: -share[0])
        heapq.heappush(heap, (merged[-1][0] - merged[0][0], order, merged))
        order += 1
    if not heap:
        return [[] for _ in range(count)]
    shares = [indices for _, indices in heap[0][2]]
    while _exchange(shares, sizes):
        pass
    return [sorted(indices) for indices in shares]


def _exchange(shares: list[list[int]], sizes: Sequence[int]) -> bool:
    """Make the heaviest share lighter by the best exchange of one of its items for a smaller one, or for nothing, of
    another share; whether there is one. The lightest share never gets lighter."""
    sums = [sum(sizes[index] for index in share) for share in shares]
    heaviest = max(range(len(shares)), key=sums.__getitem__)
    best: tuple[int, int, int, int | None] | None = None
    for other, share in enumerate(shares):
        if other == heaviest:
            continue
        for given in shares[heaviest]:
            for taken in (None, *share):
                moved = sizes[given] - (0 if taken is None else sizes[taken])
                after = max(sums[heaviest] - moved, sums[other] + moved)
                if after < (sums[heaviest] if best is None else best[0]):
                    best = (after, other, given, taken)
    if best is None:
        return False
    _, other, given, taken = best
    shares[heaviest].remove(given)
    shares[other].append(given)
    if taken is not None:
        shares[other].remove(taken)
        shares[heaviest].append(taken)
    return True


def take_rows(rows: PackedRows, chosen: Sequence[int]) -> PackedRows | None:
    """The `chosen` rows, by their number in `rows`; None where there are none."""
    if not chosen:
        return None
    return join_rows([rows_between(rows, index, index + 1) for index in chosen])


def share_of_batches(batches: Sequence[dict[str, Any]], rank: int, count: int) -> list[dict[str, Any] | None]:
    """The part of each padded batch that `rank` of `count` computes: whole batches of about as many tokens for each
    rank, or rows of every batch where there are fewer batches than ranks; None for no part."""
    if len(batches) >= count:
        mine = equal_shares([batch["input_ids"].numel() for batch in batches], count)[rank]
        return [batch if index in mine else None for index, batch in enumerate(batches)]
    parts: list[dict[str, Any] | None] = []
    for batch in batches:
        rows = equal_shares(batch["attention_mask"].sum(1).tolist(), count)[rank]
        parts.append({name: values[rows] for name, values in batch.items()} if rows else None)
    return parts
