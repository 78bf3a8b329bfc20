"""The sums of a product, unit by unit: whatever the shape and the card, every tile gets each of its units once."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.engine.kernels.plan import WARPS, block_span, warp_spans


class Chunk:
    """One block's tiles whose sums meet in shared memory at once: which units each warp's parts hold."""

    def __init__(self, first: int, last: int, tile: int, units: int, tiles: int) -> None:
        self.first, self.last, self.tile, self.units = first, last, tile, units
        self.parts: dict[int, set[int]] = {}
        for warp, (start, end) in enumerate(warp_spans(first, last)):
            while start < end:
                here = start // units
                stop = min(end, (here + 1) * units)
                place = here - tile + warp
                assert place not in self.parts
                assert place < tiles + WARPS
                self.parts[place] = set(range(start, stop))
                start = stop

    def part_sum(self, tile: int) -> list[int]:
        """The units that `part_sum` adds up for a tile, in its order."""
        each = max(1, -(-(self.last - self.first) // WARPS))
        first = max(tile * self.units, self.first) - self.first
        last = min((tile + 1) * self.units, self.last) - 1 - self.first
        if last < 0:
            return []
        warps = range(first // each, last // each + 1)
        return [unit for warp in warps for unit in sorted(self.parts[tile - self.tile + warp])]


def chunks_of(first: int, last: int, units: int, tiles: int) -> list[Chunk]:
    found, start, tile = [], first, first // units
    while True:
        end = min(last, (tile + tiles) * units)
        found.append(Chunk(start, end, tile, units, tiles))
        if end == last:
            return found
        tile += tiles
        start = tile * units


@given(st.integers(1, 400), st.integers(1, 150), st.integers(1, 140), st.sampled_from([4, 16]))
@example(4752, 112, 132, 16)  # the head of 7B on an H100: three chunks a block
@example(28, 7, 132, 16)  # o of 0.5B: several blocks share a tile
@settings(max_examples=60, deadline=None)
def test_every_tile_gets_each_of_its_units_once_and_in_order(
    all_tiles: int, units: int, blocks: int, tiles: int
) -> None:
    total = all_tiles * units
    shares = [chunks_of(*block_span(total, block, blocks), units, tiles) for block in range(blocks)]
    tails = {
        block: chunks[0].part_sum(chunks[0].tile)
        for block, chunks in enumerate(shares)
        if chunks[0].first % units  # the block begins within a tile, which another block finishes
    }
    finished: dict[int, list[int]] = {}
    for block, chunks in enumerate(shares):
        for chunk in chunks:
            for tile in range(-(-chunk.first // units), -(-chunk.last // units)):
                summed, end, other = chunk.part_sum(tile), (tile + 1) * units, block
                while end > chunk.last and block_span(total, other, blocks)[1] < end:
                    other += 1
                    summed += tails[other]
                assert tile not in finished
                finished[tile] = summed
    assert sorted(finished) == list(range(all_tiles))
    assert all(summed == list(range(tile * units, (tile + 1) * units)) for tile, summed in finished.items())
