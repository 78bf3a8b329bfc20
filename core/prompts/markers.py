"""What separates reasoning from response: the two families of markers, and a user's own. Knows the marks, not how to read them."""

from __future__ import annotations

import msgspec

from core.errors import UsageError


class Markers(msgspec.Struct, frozen=True):
    """reasoning opens the reasoning, response opens the response (in a pair of tags: the opening and the closing one).

    runaway: marks that a model only writes when it has run past its answer.
    line_start: True for headings, which count at the start of a line and outside of code fences; False for tags, which count anywhere.

    Raises UsageError when a mark is empty, holds a line break, or stands inside another one (which of the two is meant could not be decided
    while the text arrives).
    """

    reasoning: str
    response: str
    runaway: tuple[str, ...] = ()
    line_start: bool = True

    def __post_init__(self) -> None:
        marks = self.all()
        for place, mark in enumerate(marks):
            if not mark or "\n" in mark or "\r" in mark:
                raise UsageError("a marker must be text on one line", repr(mark), "Give every marker at least one character and no line break")
            if any(mark in other for other in marks[:place] + marks[place + 1 :]):
                raise UsageError("one marker stands inside another, or twice", repr(mark), "Choose markers that do not contain each other")

    def all(self) -> tuple[str, ...]:
        return (self.reasoning, self.response, *self.runaway)


ALPACA = Markers("### Reasoning:", "### Response:", ("### Instruction:", "### Input:"))
THINK = Markers("<think>", "</think>", line_start=False)
