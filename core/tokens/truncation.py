"""What happens to a row that is too long: left out, or cut. Knows token ids and slots, not texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from core.tokens.segments import OPENING, REASONING

if TYPE_CHECKING:
    from core.tokens.spans import Ints
    from core.tokens.tokenizer import TextTokenizer

ELLIPSIS = "…"  # stands where the middle of a reasoning was cut out

TooLong = Literal["drop", "cut_reasoning", "cut_end"]


def cut_reasoning(ids: Ints, ends: Ints, limit: int, tokenizer: TextTokenizer) -> tuple[Ints, Ints] | None:
    """The row with the middle of its reasoning taken out and `…` in its place, at most `limit` tokens long; prompt,
    response and end stay whole.

    Cuts between characters, never within one. None where a reasoning with something left on both sides would not fit.
    """
    import numpy as np

    start, end = int(ends[OPENING]), int(ends[REASONING])
    gap = tokenizer.encode(ELLIPSIS)[0]
    room = (end - start) - (len(ids) - limit) - len(gap)
    if room < 2:
        return None
    head, tail = start + (room + 1) // 2, end - room // 2
    while head > start and not _begins(tokenizer, int(ids[head])):
        head -= 1
    while tail < end and not _begins(tokenizer, int(ids[tail])):
        tail += 1
    if head == start or tail == end:
        return None
    cut = np.concatenate([ids[:head], np.asarray(gap, np.int32), ids[tail:]]).astype(np.int32)
    moved = ends.copy()
    moved[REASONING:] -= len(ids) - len(cut)
    return cut, moved


def cut_end(ids: Ints, ends: Ints, limit: int) -> tuple[Ints, Ints]:
    """The first `limit` tokens. What is lost is the end of sequence and as much of the answer as does not fit."""
    import numpy as np

    return ids[:limit].copy(), np.minimum(ends, limit).astype(np.int32)


def _begins(tokenizer: TextTokenizer, id: int) -> bool:
    """Whether the token begins with a whole character or the first byte of one, not within one."""
    data = tokenizer.pieces.data(id)
    return data is None or not data or data[0] & 0xC0 != 0x80
