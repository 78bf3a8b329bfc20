"""What separates reasoning from response: the two families of markers, and a user's own. Knows the marks, not how to
read them."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.base.errors import UsageError

MarkKind = Literal["reasoning", "response", "runaway"]


class Markers(msgspec.Struct, frozen=True):
    """reasoning: the spellings of what opens the reasoning. response: of what opens the response (of a pair of tags,
    the closing one).

    runaway: marks that a model only writes when it has run past its answer. line_start: True for headings, which count
    at the start of a line and outside of code fences; False for tags, which count anywhere.

    A plain string is taken as the one spelling. Raises UsageError when a mark is empty, holds a line break, or cannot
    be told from another one while the text arrives: a heading that another one begins with, a tag that stands inside
    another one (it may be its end).
    """

    reasoning: tuple[str, ...]
    response: tuple[str, ...]
    runaway: tuple[str, ...] = ()
    line_start: bool = True

    def __post_init__(self) -> None:
        for name in ("reasoning", "response", "runaway"):
            given = getattr(self, name)
            msgspec.structs.force_setattr(self, name, (given,) if isinstance(given, str) else tuple(given))
        if not self.response:
            raise UsageError("nothing marks the response", "markers", "Give the response at least one marker")
        marks = self.all()
        for place, mark in enumerate(marks):
            if not mark or "\n" in mark or "\r" in mark:
                raise UsageError(
                    "a marker must be text on one line",
                    repr(mark),
                    "Give every marker at least one character and no line break",
                )
            if any(self._hides(mark, other) for other in marks[:place] + marks[place + 1 :]):
                raise UsageError(
                    "one marker stands inside another, or twice",
                    repr(mark),
                    "Choose markers that do not contain each other",
                )

    def _hides(self, mark: str, other: str) -> bool:
        return other.startswith(mark) if self.line_start else mark == other or mark in other[:-1]

    def all(self) -> tuple[str, ...]:
        return (*self.reasoning, *self.response, *self.runaway)

    def kinds(self) -> dict[str, MarkKind]:
        """Every spelling, and what it does."""
        named: tuple[tuple[MarkKind, tuple[str, ...]], ...]
        named = (("reasoning", self.reasoning), ("response", self.response), ("runaway", self.runaway))
        return {mark: kind for kind, marks in named for mark in marks}


ALPACA = Markers(("### Reasoning:",), ("### Response:",), ("### Instruction:", "### Input:"))
THINK = Markers(("<think>",), ("</think>",), line_start=False)
