"""The 4-bit product, lane by lane in numpy: bitsandbytes' bytes through ring, table and matrix instruction."""

from __future__ import annotations

import numpy as np
import pytest

from core.engine.kernels.decode_tables import nf4_pairs
from core.models.nf4_values import NF4_VALUES

ROWS, STEP = 32, 128
LANES = np.arange(32)
G, T = LANES >> 2, LANES & 3


def copied_to(lane: int) -> int:
    """Where `issue_unit` puts the lane's 16 bytes within eight rows of 64."""
    return (lane >> 2) * 64 + ((lane & 3) ^ (lane >> 3)) * 16


def ring_of(packed: np.ndarray) -> np.ndarray:
    """A unit in the ring: 32 rows by 64 bytes, as the lanes' copies leave it."""
    ring = np.zeros(2048, np.uint8)
    for copy in range(4):
        for lane in range(32):
            row, chunk = copy * 8 + (lane >> 2), lane & 3
            at = copy * 512 + copied_to(lane)
            ring[at : at + 16] = packed[row, chunk * 16 : chunk * 16 + 16]
    return ring


def word(ring: np.ndarray, lane: int, copy: int, block: int, half: int) -> int:
    """The word that a lane reads for its row of one copy: eight weights of a block's half."""
    first = ((lane >> 2) >> 1) * 16 ^ block * 32
    at = copy * 512 + (lane >> 2) * 64 + (lane & 3) * 4 + (first ^ (half * 16))
    return int.from_bytes(ring[at : at + 4].tobytes(), "little")


def pair(byte: int) -> np.ndarray:
    value = nf4_pairs()[byte]
    return np.array([value & 0xFFFF, value >> 16], np.uint16).view(np.float16)


def matrix_instruction(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """m16n8k16 on fragments: a[lane][register][2], b[lane][register][2]; returns c[lane][4]."""
    left, right = np.zeros((16, 16), np.float32), np.zeros((16, 8), np.float32)
    for lane in range(32):
        g, t = lane >> 2, lane & 3
        for register, (row, column) in enumerate(((g, 2 * t), (g + 8, 2 * t), (g, 2 * t + 8), (g + 8, 2 * t + 8))):
            left[row, column : column + 2] = a[lane, register]
        for register, row in enumerate((2 * t, 2 * t + 8)):
            right[row : row + 2, g] = b[lane, register]
    out = left @ right
    return np.array(
        [
            [out[g, 2 * t], out[g, 2 * t + 1], out[g + 8, 2 * t], out[g + 8, 2 * t + 1]]
            for g, t in zip(G, T, strict=True)
        ]
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_a_unit_is_the_product_of_the_dequantised_weights(seed: int) -> None:
    random = np.random.default_rng(seed)
    packed = random.integers(0, 256, (ROWS, STEP // 2), dtype=np.uint8)
    scales = random.uniform(0.01, 0.1, (ROWS, 2)).astype(np.float32)
    x = random.normal(size=(STEP, 8)).astype(np.float16)
    ring = ring_of(packed)
    acc = np.zeros((2, 32, 4), np.float32)
    for block in range(2):
        c = np.zeros((2, 32, 4), np.float32)
        for half in range(2):
            for step in range(2):
                b = np.zeros((32, 2, 2), np.float16)
                for lane in range(32):
                    k = block * 64 + half * 32 + T[lane] * 8 + step * 4
                    b[lane] = x[k : k + 4, G[lane]].reshape(2, 2)
                for tile in range(2):
                    a = np.zeros((32, 4, 2), np.float16)
                    for lane in range(32):
                        upper = word(ring, lane, 2 * tile, block, half) >> step * 16
                        lower = word(ring, lane, 2 * tile + 1, block, half) >> step * 16
                        a[lane] = [pair(value & 255) for value in (upper, lower, upper >> 8, lower >> 8)]
                    c[tile] += matrix_instruction(a, b)
        for tile in range(2):
            for lane in range(32):
                acc[tile, lane, :2] += c[tile, lane, :2] * scales[tile * 16 + G[lane], block]
                acc[tile, lane, 2:] += c[tile, lane, 2:] * scales[tile * 16 + G[lane] + 8, block]
    nibbles = np.stack([packed >> 4, packed & 15], -1).reshape(ROWS, STEP)
    exact = np.array(NF4_VALUES)[nibbles] * np.repeat(scales, 64, axis=1)
    want = exact @ x.astype(np.float64)
    got = np.zeros((ROWS, 8))
    for tile in range(2):
        for lane in range(32):
            for i in range(4):
                got[tile * 16 + (i >> 1) * 8 + G[lane], 2 * T[lane] + (i & 1)] = acc[tile, lane, i]
    assert np.linalg.norm(got - want) / np.linalg.norm(want) < 4e-4


def test_copies_fill_whole_lines_and_reads_touch_every_bank_once() -> None:
    assert sorted(copied_to(lane) for lane in range(32)) == list(range(0, 512, 16))
    for lane in range(0, 32, 8):  # eight lanes write one line of 128 bytes
        assert len({copied_to(lane + i) // 128 for i in range(8)}) == 1
    for block in range(2):
        for half in range(2):
            first = [((lane >> 2) >> 1) * 16 ^ block * 32 for lane in range(32)]
            at = [(lane >> 2) * 64 + (lane & 3) * 4 + (first[lane] ^ (half * 16)) for lane in range(32)]
            assert len({place // 4 % 32 for place in at}) == 32


def test_the_packing_is_that_of_bitsandbytes() -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("bitsandbytes.functional")
    weight = torch.randn(64, 128, generator=torch.Generator().manual_seed(0))
    packed, state = functional.quantize_4bit(weight, blocksize=64, compress_statistics=True, quant_type="nf4")
    codes = packed.view(64, 64).numpy()
    inner = state.state2
    absmax = (
        inner.code[state.absmax.long()] * inner.absmax.repeat_interleave(256)[: state.absmax.numel()] + state.offset
    )
    nibbles = np.stack([codes >> 4, codes & 15], -1).reshape(64, 128)
    ours = np.array(NF4_VALUES)[nibbles] * absmax.view(64, 2).repeat_interleave(64, 1).numpy()
    theirs = functional.dequantize_4bit(packed, state).float().numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
