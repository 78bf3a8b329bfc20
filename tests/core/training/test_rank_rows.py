"""The rows of an update are shared out so that each rank has about as many tokens, and none is lost."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.training.packed_rows import PackedCollator
from core.training.rank_rows import equal_shares, share_of_batches, take_rows
from tests.support.packable_models import UnevenRows

SIZES = st.lists(st.integers(1, 2048), max_size=40)


@settings(deadline=None)
@given(SIZES, st.integers(1, 9))
def test_every_row_has_one_rank_and_the_heaviest_is_close_to_the_lightest(sizes: list[int], count: int) -> None:
    shares = equal_shares(sizes, count)
    assert len(shares) == count and shares == equal_shares(sizes, count)
    assert sorted(index for share in shares for index in share) == list(range(len(sizes)))
    assert all(share == sorted(share) for share in shares)
    sums = [sum(sizes[index] for index in share) for share in shares]
    assert max(sums) - min(sums) <= max(sizes, default=0)


def test_rows_as_long_as_those_of_a_run_are_shared_within_a_hundredth() -> None:
    pick = np.random.default_rng(0)
    for count in (2, 4, 8):
        worst = 0.0
        for _ in range(50):
            sizes = np.round(230 * pick.lognormal(0, 0.3, 8 * count)).astype(int).tolist()
            sums = [sum(sizes[index] for index in share) for share in equal_shares(sizes, count)]
            worst = max(worst, max(sums) * count / sum(sums) - 1)
        assert worst < 0.01


@settings(deadline=None)
@given(st.permutations(range(8)), st.integers(1, 5))
def test_the_shares_of_packed_rows_are_those_rows(order: list[int], count: int) -> None:
    source = UnevenRows(weighted=True)
    collate = PackedCollator(source)  # type: ignore[arg-type]
    rows = collate(source.items(order))["packed"]
    shares = equal_shares(rows.lengths.tolist(), count)
    for chosen in shares:
        taken = take_rows(rows, chosen)
        if not chosen:
            assert taken is None
            continue
        alone = collate(source.items([order[index] for index in chosen]))["packed"]
        assert taken is not None
        for name in ("ids", "lengths", "sources", "targets", "weights", "sections", "rows"):
            assert np.array_equal(getattr(taken, name), getattr(alone, name)), name


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=5), st.integers(1, 6))
def test_every_row_of_padded_batches_is_computed_by_one_rank(lengths: list[list[int]], count: int) -> None:
    """Row numbers stand for ids: padding of 0, so that no row is 0."""
    numbers = iter(range(1, 100))
    batches = []
    for batch in lengths:
        mask = np.arange(max(batch))[None, :] < np.array(batch)[:, None]
        ids = np.array([next(numbers) for _ in batch])[:, None] * mask
        batches.append({"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask.astype(int))})
    shares = [share_of_batches(batches, rank, count) for rank in range(count)]
    for index, batch in enumerate(batches):
        parts = [share[index] for share in shares]
        first = [row for part in parts if part is not None for row in part["input_ids"][:, 0].tolist()]
        assert sorted(first) == batch["input_ids"][:, 0].tolist()
        assert all(part is None or len(part["attention_mask"]) == len(part["input_ids"]) for part in parts)
