"""A row's text as segments (prompt, reasoning, marker, response), and the six slots of its text and tokens.

Slots have the same order in every row, and any of them may be empty: prompt; opening (a marker before the reasoning
that the model writes itself, such as <think>); reasoning; marker (between reasoning and response); response; end of
sequence.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

from core.base.errors import UsageError

PROMPT, OPENING, REASONING, MARKER, RESPONSE, EOS = range(6)
SLOT_COUNT = 6
PROMPT_DIFFERS = 1 << SLOT_COUNT
"""A bit beside those of the slots: the ids of the row's prompt alone are not the first ids of the row."""

SegmentKind = Literal["prompt", "reasoning", "marker", "response"]


class Segment(msgspec.Struct, frozen=True):
    """A part of the training text. The prompt is the model's input; it writes the other kinds itself."""

    kind: SegmentKind
    """The kind of segment."""
    text: str
    """The text; may be empty."""
    special: bool = False
    """Whether special tokens that the text spells become their ids. In any other text they are letters."""


class SegmentSlots(msgspec.Struct, frozen=True):
    """The slots of a row's segments."""

    slots: tuple[int, ...]
    """The slot of each segment, ascending."""
    present: int
    """The slots that the row has, with the end of sequence, as bits. A slot may be present and empty."""


@lru_cache(maxsize=64)
def segment_slots(kinds: tuple[SegmentKind, ...]) -> SegmentSlots:
    """The slots for segments of these kinds. Raises UsageError for an order that no answer has."""
    slots: list[int] = []
    for index, kind in enumerate(kinds):
        last = slots[-1] if slots else PROMPT
        if last == RESPONSE:
            # text of a chat template after the answer belongs to the response
            slot = RESPONSE if kind in ("marker", "response") else -1
        elif kind == "marker":
            slot = OPENING if "reasoning" in kinds[index:] else MARKER
        else:
            slot = {"prompt": PROMPT, "reasoning": REASONING, "response": RESPONSE}[kind]
        if slot < last:
            raise UsageError(
                "the sections of the template are out of order",
                " ".join(kinds),
                "Order them prompt, reasoning, response",
            )
        slots.append(slot)
    present = {1 << slot for slot in (*slots, EOS)}
    return SegmentSlots(tuple(slots), sum(present))
