"""Segments of a line with the selected part of it highlighted, for widgets whose text the mouse selects."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style


def highlight_selected(
    segments: Iterable[Segment], start: int, end: int, base: Style, selection_style: Style
) -> list[Segment]:
    """The segments, split at the characters `start` and `end` of the line, with `selection_style` between them. base:
    the style of segments that have none."""
    offset = 0
    split: list[Segment] = []
    for text, style, _ in segments:
        left = max(0, min(start - offset, len(text)))
        right = max(0, min(end - offset, len(text)))
        split += [
            Segment(text[:left], style),
            Segment(text[left:right], (style or base) + selection_style),
            Segment(text[right:], style),
        ]
        offset += len(text)
    return [segment for segment in split if segment.text]
