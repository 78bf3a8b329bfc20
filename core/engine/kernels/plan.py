"""How the decode kernel is cut for a model's shape and a card: its macros, its shared memory, its buffers.

Pure arithmetic, no torch. `decode_step.cu` is the other side: sizes and names here are those of its macros and structs.
"""

from __future__ import annotations

import ctypes

import msgspec

from core.engine.kernels.decode_tables import layer_struct

WARPS = 16
"""Warps of a block."""
MOST_COLUMNS = 8
"""Columns of the matrix instruction: the most sequences that one launch advances."""
MAX_CHUNKS = 32
"""Chunks of a row's attention at most."""
BLOCK_POSITIONS = 64
"""Cached positions that are attended to at once."""
LORA_PIECE = 512
"""Elements of K in one item of the product with LoRA's A."""

_NF4_UNIT = 2048 + 256  # 32 rows of 128 weights, a word of absmax and one of its scale
_NF4_ODD_UNIT = 2048 + 512  # where rows have an odd number of blocks: two words each
_BF16_UNIT = 2048  # 32 rows of 32 weights
_ROWS_BYTES = 256  # and the bounds of the products
_KEPT_ROWS = 48  # of LoRA's B in shared memory
_PAIR_TABLE = 32768  # static shared memory: 256 pairs of values, one copy a bank
_DEEPEST = 6  # units in flight a warp; more no longer pays
_TILES = (16, 12, 8, 4)  # of 32 rows, whose sums meet in shared memory at once


class DecodeShape(msgspec.Struct, frozen=True):
    """The shape of a decoder-only transformer, as far as the kernel is compiled for it."""

    layers: int
    """Decoder layers."""
    hidden: int
    """Width of the residual stream."""
    inner: int
    """Width between gate/up and down."""
    heads: int
    """Query heads."""
    kv_heads: int
    """Key and value heads."""
    head_dim: int
    """Width of a head."""
    vocabulary: int
    """Rows of the head."""
    eps: float
    """Epsilon of the norms."""
    nf4: bool
    """Whether the layers' weights are NF4 (else bfloat16); the head is bfloat16."""
    qk_norm: bool
    """Whether queries and keys are normed per head (Qwen3)."""
    rank: int = 0
    """The highest rank of a LoRA slot, a multiple of 4; 0: no slots."""
    slots: int = 1
    """LoRA slots."""

    @property
    def group(self) -> int:
        """Query heads of one key and value head."""
        return self.heads // self.kv_heads


class KernelPlan(msgspec.Struct, frozen=True):
    """The kernel for one shape, number of columns and card."""

    macros: dict[str, int | float]
    """What the source is compiled with."""
    shared_bytes: int
    """Dynamic shared memory of a block."""


def shape_problem(shape: DecodeShape) -> str:
    """Why the kernel cannot serve this shape, as a clause; empty where it can."""
    widths = {"hidden size": shape.hidden, "inner size": shape.inner, "query width": shape.heads * shape.head_dim}
    for name, width in widths.items():
        if width % 64:
            return f"its {name} of {width} is no multiple of 64"
    if shape.kv_heads * shape.head_dim % 32:
        return f"its key width of {shape.kv_heads * shape.head_dim} is no multiple of 32"
    if shape.heads % shape.kv_heads or shape.group > 8:
        return f"{shape.heads} query heads share {shape.kv_heads} key heads; at most 8 may share one"
    if shape.head_dim not in (32, 64, 96, 128, 256):
        return f"its heads are {shape.head_dim} wide"
    if shape.vocabulary % 8:
        return f"its vocabulary of {shape.vocabulary} is no multiple of 8"
    return ""


def make_plan(shape: DecodeShape, columns: int, shared_limit: int) -> KernelPlan | None:
    """The plan for 1 or 8 columns that fits into `shared_limit` bytes of shared memory a block; None where none does.

    Both have the same tiles a chunk, which decides the order of sums: a row has the same bits alone and beside others.
    """
    for tiles in _TILES:
        plans = {count: _plan(shape, count, shared_limit, tiles) for count in (1, MOST_COLUMNS)}
        if plans[MOST_COLUMNS] is not None:
            return plans[columns]
    return _plan(shape, columns, shared_limit, _TILES[-1]) if columns == 1 else None


def _plan(shape: DecodeShape, columns: int, shared_limit: int, tiles: int) -> KernelPlan | None:
    """The plan with the deepest streams for this many tiles a chunk."""
    table = _PAIR_TABLE if shape.nf4 else 0
    odd = any(width % 128 for width in (shape.hidden, shape.inner, shape.heads * shape.head_dim))
    unit = (_NF4_ODD_UNIT if odd else _NF4_UNIT) if shape.nf4 else _BF16_UNIT
    staged_x = 2 * columns * max(shape.hidden, shape.heads * shape.head_dim)
    fixed = 2048 + _ROWS_BYTES + 2 * _round_up(ctypes.sizeof(layer_struct(shape.slots)), 128)
    fixed += _lora_bytes(shape, columns) + (tiles + WARPS) * 32 * columns * 4
    for streams_down in (False, True):
        x_bytes = _round_up(
            max(attention_bytes(shape), staged_x, 0 if streams_down else 2 * columns * shape.inner), 128
        )
        per_warp = (shared_limit - table - fixed - x_bytes) // WARPS // 128 * 128
        depth = min(_DEEPEST, per_warp // unit)
        depth_head = min(_DEEPEST, per_warp // _BF16_UNIT)
        if min(depth, depth_head) < (2 if streams_down else 3):
            continue
        ring = max(depth * unit, depth_head * _BF16_UNIT) * WARPS
        macros = _macros(shape, columns) | {
            "DEPTH": depth,
            "DEPTH_HEAD": depth_head,
            "STREAM_DOWN": int(streams_down),
            "TILES": tiles,
            "X_BYTES": x_bytes,
            "RING_BYTES": ring,
        }
        return KernelPlan(macros, fixed + x_bytes + ring)
    return None


def attention_bytes(shape: DecodeShape) -> int:
    """Shared bytes of the attention phase: queries, scores, chances, states, the new key and value, then one block of
    keys and values, whose place the partial sums take afterwards."""
    head = shape.head_dim
    front = 8 * head * 4 + 2 * 8 * BLOCK_POSITIONS * 4 + 24 * 4 + 2 * head * 2
    block = BLOCK_POSITIONS * (head + 8) * 2 + BLOCK_POSITIONS * head * 2
    sums = (WARPS * 32 // (head // 2)) * shape.group * head * 4
    return front + max(block, sums)


def lora_part_values(shape: DecodeShape, columns: int) -> int:
    """Tagged values of the buffer in which pieces of A x meet."""
    widest = max(
        3 * _pieces(shape.hidden),
        _pieces(shape.heads * shape.head_dim),
        2 * _pieces(shape.hidden),
        _pieces(shape.inner),
    )
    return max(1, shape.slots * shape.rank * widest * columns)


def chunk_positions(length: int) -> int:
    """Positions in a chunk of a row of `length` positions: it depends on nothing but the row's own length."""
    positions = BLOCK_POSITIONS
    while positions * MAX_CHUNKS < length:
        positions *= 2
    return positions


def block_span(units: int, block: int, blocks: int) -> tuple[int, int]:
    """First and last (exclusive) unit of one of `blocks` blocks that share `units`."""
    return units * block // blocks, units * (block + 1) // blocks


def warp_spans(first: int, last: int) -> list[tuple[int, int]]:
    """The units of each warp of a block that has first..last (exclusive)."""
    each = max(1, -(-(last - first) // WARPS))
    return [(min(first + warp * each, last), min(first + (warp + 1) * each, last)) for warp in range(WARPS)]


def _macros(shape: DecodeShape, columns: int) -> dict[str, int | float]:
    return {
        "LAYERS": shape.layers,
        "HIDDEN": shape.hidden,
        "INNER": shape.inner,
        "HEADS": shape.heads,
        "KV_HEADS": shape.kv_heads,
        "HEAD_DIM": shape.head_dim,
        "VOCAB": shape.vocabulary,
        "COLS": columns,
        "NF4": int(shape.nf4),
        "QK_NORM": int(shape.qk_norm),
        "RANK": shape.rank,
        "SLOTS": shape.slots,
        "EPS": shape.eps,
    }


def _lora_bytes(shape: DecodeShape, columns: int) -> int:
    return 3 * max(4, shape.rank) * columns * 4 + 2 * _KEPT_ROWS * shape.rank * 4


def _pieces(width: int) -> int:
    return -(-width // LORA_PIECE)


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
