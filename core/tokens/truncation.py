"""Truncates rows that are too long. Knows token ids and slots, not texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from core.tokens.segments import OPENING, REASONING

if TYPE_CHECKING:
    from core.tokens.encode_spans import Int32Array
    from core.tokens.tokenizer import TextTokenizer

ELLIPSIS = "…"  # replaces the middle of a reasoning that is cut out

TooLong = Literal["drop", "cut_reasoning", "cut_end"]
"""What a run does with a row of more than `max_seq_length` tokens: drop it, or cut one of its parts."""


def cut_reasoning(
    ids: Int32Array, ends: Int32Array, limit: int, tokenizer: TextTokenizer
) -> tuple[Int32Array, Int32Array] | None:
    """The row with `…` instead of the middle of its reasoning, at most `limit` tokens long; prompt, response and end
    stay complete.

    ids: int32, shape (tokens,). ends: the end of each slot, in tokens, int32, shape (6,). Returns both for the shorter
    row. Cuts only between characters. None where the reasoning would not keep a token on both sides.
    """
    import numpy as np

    start, end = int(ends[OPENING]), int(ends[REASONING])
    ellipsis_ids = tokenizer.encode(ELLIPSIS)[0]
    kept_tokens = (end - start) - (len(ids) - limit) - len(ellipsis_ids)  # tokens of the reasoning
    if kept_tokens < 2:
        return None
    head, tail = start + (kept_tokens + 1) // 2, end - kept_tokens // 2
    while head > start and not _begins_character(tokenizer, int(ids[head])):
        head -= 1
    while tail < end and not _begins_character(tokenizer, int(ids[tail])):
        tail += 1
    if head == start or tail == end:
        return None
    shorter = np.concatenate([ids[:head], np.asarray(ellipsis_ids, np.int32), ids[tail:]]).astype(np.int32)
    shorter_ends = ends.copy()
    shorter_ends[REASONING:] -= len(ids) - len(shorter)
    return shorter, shorter_ends


def cut_end(ids: Int32Array, ends: Int32Array, limit: int) -> tuple[Int32Array, Int32Array]:
    """The first `limit` tokens of the row, and the ends of its slots. The end of sequence is lost, and the part of the
    answer that does not fit. Shapes as in `cut_reasoning`."""
    import numpy as np

    return ids[:limit].copy(), np.minimum(ends, limit).astype(np.int32)


def _begins_character(tokenizer: TextTokenizer, id: int) -> bool:
    """Whether the token's first byte is the first byte of a character, not one within it."""
    data = tokenizer.token_bytes.data(id)
    return data is None or not data or data[0] & 0xC0 != 0x80
