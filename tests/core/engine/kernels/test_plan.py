"""The kernel's plan: it fits the card, shares the work out whole, and speaks the source's language."""

from __future__ import annotations

import ctypes
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.kernels.decode_tables import LAYER_POINTERS, MATRICES, POINTERS, layer_struct, matrix_struct
from core.engine.kernels.nvrtc import DECODE_STEP, kernel_source
from core.engine.kernels.plan import (
    MAX_CHUNKS,
    WARPS,
    DecodeShape,
    attention_bytes,
    block_span,
    chunk_positions,
    make_plan,
    shape_problem,
    warp_spans,
)

H100, L4 = 232_448, 101_376
SHAPES = {
    "0.5b": DecodeShape(24, 896, 4864, 14, 2, 64, 151_936, 1e-6, True, False, 16),
    "7b": DecodeShape(28, 3584, 18_944, 28, 4, 128, 152_064, 1e-6, True, False, 16),
    "7b bf16": DecodeShape(28, 3584, 18_944, 28, 4, 128, 152_064, 1e-6, False, False),
    "32b": DecodeShape(64, 5120, 27_648, 40, 8, 128, 152_064, 1e-6, True, False, 16),
    "phi-3": DecodeShape(32, 3072, 8192, 32, 32, 96, 32_064, 1e-5, True, False, 16),
    "smollm2": DecodeShape(30, 576, 1536, 9, 3, 64, 49_152, 1e-5, True, False, 16),
    "rank 64, four slots": DecodeShape(36, 4096, 12_288, 32, 8, 128, 151_936, 1e-6, True, True, 64, 4),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("columns", [1, 8])
def test_every_shape_fits_an_h100(name: str, columns: int) -> None:
    shape = SHAPES[name]
    assert shape_problem(shape) == ""
    plan = make_plan(shape, columns, H100)
    assert plan is not None
    table = 32_768 if shape.nf4 else 0
    assert plan.shared_bytes + table <= H100
    assert plan.macros["X_BYTES"] >= attention_bytes(shape)
    assert min(plan.macros["DEPTH"], plan.macros["DEPTH_HEAD"]) >= 2


@pytest.mark.parametrize("name", SHAPES)
def test_one_and_eight_columns_add_up_in_the_same_order(name: str) -> None:
    one, eight = (make_plan(SHAPES[name], columns, H100) for columns in (1, 8))
    assert one is not None and eight is not None
    assert one.macros["TILES"] == eight.macros["TILES"]


def test_a_card_with_too_little_shared_memory_is_refused_rather_than_overrun() -> None:
    assert make_plan(SHAPES["32b"], 8, L4) is None


@given(st.integers(1, 600_000), st.integers(1, 200))
@settings(max_examples=200)
def test_blocks_and_warps_share_the_units_without_gap_or_overlap(units: int, blocks: int) -> None:
    end = 0
    for block in range(blocks):
        first, last = block_span(units, block, blocks)
        assert first == end
        end = last
        if block % 37 == 0:
            spans = warp_spans(first, last)
            assert len(spans) == WARPS
            assert [a for a, _ in spans[1:]] == [b for _, b in spans[:-1]]
            assert (spans[0][0], spans[-1][1]) == (first, last)
    assert end == units


@given(st.integers(1, 200_000))
def test_a_row_has_a_few_chunks_whatever_its_length(length: int) -> None:
    positions = chunk_positions(length)
    assert positions * MAX_CHUNKS >= length
    assert positions == 64 or positions * MAX_CHUNKS < 2 * length


def fields(source: str, struct: str) -> list[str]:
    """The names of a struct's fields in the source, in order."""
    body = re.search(rf"struct {struct} {{(.*?)\n}};", source, re.S)
    assert body is not None
    lines = [line.split("//")[0] for line in body[1].splitlines()]
    return [
        re.sub(r"\[.*?\]", "", name).strip(" *;")
        for line in lines
        if line.strip()
        for name in line.strip()
        .rstrip(";")
        .split(" ", 1 if "Matrix " in line else line.strip().count(" "))[-1]
        .split(",")
    ]


def test_the_structs_are_the_sources() -> None:
    source = kernel_source(DECODE_STEP)
    assert fields(source, "Params") == [*POINTERS, "ranks", "capacity", "use_lora"]
    assert fields(source, "Layer") == [*MATRICES, *LAYER_POINTERS]
    assert fields(source, "Matrix") == [name for name, _ in matrix_struct(1)._fields_]


@pytest.mark.parametrize("slots", [1, 2, 3, 8])
def test_the_structs_have_the_compilers_sizes(slots: int) -> None:
    matrix = -(-(40 + 20 * slots) // 8) * 8
    assert ctypes.sizeof(matrix_struct(slots)) == matrix
    assert ctypes.sizeof(layer_struct(slots)) == 7 * matrix + 6 * 8
