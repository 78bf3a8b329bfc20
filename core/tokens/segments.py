"""A row's text as segments: what is prompt, reasoning, marker and response, before it becomes tokens."""

from __future__ import annotations

from typing import Literal

import msgspec

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
