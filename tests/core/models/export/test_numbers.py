"""Number formats, blocks of rows and NF4, against torch and bitsandbytes."""

from __future__ import annotations

import itertools
import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.export import nf4
from core.models.export.number_formats import NumberTooLarge, from_float32, rounded_to, to_float32
from core.models.export.row_blocks import BLOCK_WEIGHTS, map_in_order, row_blocks
from core.models.nf4_values import NF4_VALUES

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-60000, max_value=60000)


@given(st.lists(FINITE, min_size=1, max_size=50))
def test_rounding_is_that_of_torch(values: list[float]) -> None:
    import torch

    array = np.array(values, np.float32)
    for dtype, name in (("BF16", torch.bfloat16), ("F16", torch.float16), ("F32", torch.float32)):
        expected = torch.from_numpy(array).to(name).float().numpy()
        assert np.array_equal(rounded_to(array, dtype), expected)
        raw = from_float32(array, dtype).tobytes()
        assert np.array_equal(to_float32(raw, dtype), expected)


@pytest.mark.parametrize(("value", "dtype"), [(1e6, "F16"), (math.inf, "BF16"), (math.nan, "F32"), (3.4e38, "BF16")])
def test_numbers_that_a_format_cannot_hold_are_refused(value: float, dtype: str) -> None:
    with pytest.raises(NumberTooLarge):
        from_float32(np.array([value], np.float32), dtype)


@given(st.integers(1, 5000), st.integers(1, 4096), st.sampled_from([1, 2, 16, 64]))
def test_blocks_cover_all_rows_in_order(rows: int, columns: int, multiple: int) -> None:
    blocks = row_blocks((rows, columns), multiple)
    assert blocks[0][0] == 0
    assert blocks[-1][1] == rows
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(blocks))
    assert all((end - start) % multiple == 0 for start, end in blocks[:-1])
    assert all((end - start) * columns <= max(BLOCK_WEIGHTS, multiple * columns) for start, end in blocks)


def test_work_is_ordered_and_bounded() -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        with lock:
            at_once -= 1
        return number * 2

    assert list(map_in_order(work, range(100), 3)) == [number * 2 for number in range(100)]
    assert most <= 3


def test_an_error_in_one_block_ends_the_work() -> None:
    def work(number: int) -> int:
        if number == 5:
            raise NumberTooLarge("F16")
        return number

    with pytest.raises(NumberTooLarge):
        list(map_in_order(work, range(1000), 2))


def test_the_tables_of_nf4_are_those_of_bitsandbytes() -> None:
    functional = pytest.importorskip("bitsandbytes.functional")
    import torch

    _, state = functional.quantize_4bit(torch.randn(64, 64), compress_statistics=True, quant_type="nf4")
    assert np.array_equal(state.code.numpy(), np.array(NF4_VALUES, np.float32))
    assert np.array_equal(state.state2.code.numpy(), nf4.scale_values())


def test_packing_and_unpacking_is_that_of_bitsandbytes() -> None:
    functional = pytest.importorskip("bitsandbytes.functional")
    import torch

    torch.manual_seed(0)
    weights = torch.randn(200, 128, dtype=torch.bfloat16) * 0.02
    packed, state = functional.quantize_4bit(weights, compress_statistics=True, quant_type="nf4")
    theirs = functional.dequantize_4bit(packed, state).float().numpy()
    values = weights.float().numpy()
    mine = rounded_to(nf4.unpacked_values(values, nf4.packed_scales(nf4.block_maxima(values)), 0), "BF16")
    different = np.abs(mine - theirs) > np.abs(theirs) * 2**-7  # more than one step of bfloat16
    assert not different.any()
    assert (mine == theirs).mean() > 0.98


@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_packing_in_parts_is_packing_at_once(count: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 0.02, count).astype(np.float32)
    scales = nf4.packed_scales(nf4.block_maxima(values))
    whole = nf4.unpacked_values(values, scales, 0)
    parts = [nf4.unpacked_values(values[at : at + 64], scales, at // 64) for at in range(0, count, 64)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert np.abs(whole - values).max() <= np.abs(values).max() * 0.25


def test_zeros_stay_zeros() -> None:
    zeros = np.zeros(128, np.float32)
    scales = nf4.packed_scales(nf4.block_maxima(zeros))
    assert not nf4.unpacked_values(zeros, scales, 0).any()
