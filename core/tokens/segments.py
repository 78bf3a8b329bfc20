"""A row's text as segments: what is prompt, reasoning, marker and response, before it becomes tokens."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

from core.base.errors import UsageError

PROMPT, OPENING, REASONING, MARKER, RESPONSE, EOS = range(6)
SLOTS = 6

SegmentKind = Literal["prompt", "reasoning", "marker", "response"]


class Segment(msgspec.Struct, frozen=True):
    """A stretch of the training text. `prompt` is given to the model; it writes `reasoning`, `marker` and `response`
    itself.

    special: special tokens that the text spells are meant as such, and become their ids; in any other text they are
    letters.
    """

    kind: SegmentKind
    text: str
    special: bool = False


class Layout(msgspec.Struct, frozen=True):
    """slots: for each segment its slot (see `policy`), rising. present: the slots that are there, with the end, as
    bits."""

    slots: tuple[int, ...]
    present: int


@lru_cache(maxsize=64)
def slots_of(kinds: tuple[SegmentKind, ...]) -> Layout:
    """Raises UsageError for segments in an order that no answer is written in."""
    slots: list[int] = []
    for place, kind in enumerate(kinds):
        last = slots[-1] if slots else PROMPT
        if last == RESPONSE:
            slot = (
                RESPONSE if kind in ("marker", "response") else -1
            )  # what a chat form writes after the answer ends it
        elif kind == "marker":
            slot = OPENING if "reasoning" in kinds[place:] else MARKER
        else:
            slot = {"prompt": PROMPT, "reasoning": REASONING, "response": RESPONSE}[kind]
        if slot < last:
            raise UsageError(
                "the sections of the template are out of order",
                " ".join(kinds),
                "Order them prompt, reasoning, response",
            )
        slots.append(slot)
    return Layout(tuple(slots), sum({1 << slot for slot in (*slots, EOS)}))
