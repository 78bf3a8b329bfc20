"""The markers that separate reasoning from response: one set for a template, in any number of spellings."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.base.errors import UsageError

MarkerKind = Literal["reasoning", "response", "runaway", "end"]


class Markers(msgspec.Struct, frozen=True):
    """The markers of one template, each kind in any number of spellings. A plain string is one spelling.

    Raises UsageError for a spelling that is empty, contains a line break, or cannot be distinguished from another one
    while the text arrives: a heading with which another heading begins, or a tag inside another tag, except at its end.
    """

    reasoning: tuple[str, ...]
    """Spellings of the marker that opens the reasoning."""
    response: tuple[str, ...]
    """Spellings of the marker that opens the response; for a pair of tags, the closing one. At least one."""
    runaway: tuple[str, ...] = ()
    """Spellings that a model writes only after the end of its answer."""
    line_start: bool = True
    """True for headings, which count at the start of a line and outside code fences; False for tags, which count
    anywhere before the answer has text."""
    end: tuple[str, ...] = ()
    """Tags that a model writes after its response; they count only as the last of its answer, white space aside."""

    def __post_init__(self) -> None:
        for name in ("reasoning", "response", "runaway", "end"):
            value = getattr(self, name)
            spellings = (value,) if isinstance(value, str) else tuple(value)
            msgspec.structs.force_setattr(self, name, spellings)
        if not self.response:
            raise UsageError("no marker opens the response", "markers", "Give the response at least one marker")
        if self.end and self.line_start:
            raise UsageError("a heading cannot end the response", repr(self.end[0]), "Use `runaway` for headings")
        spellings = self.all()
        for index, spelling in enumerate(spellings):
            if not spelling or "\n" in spelling or "\r" in spelling:
                raise UsageError(
                    "a marker must be text on one line",
                    repr(spelling),
                    "Give every marker at least one character and no line break",
                )
            others = spellings[:index] + spellings[index + 1 :]
            if any(self._hides(spelling, other) for other in others):
                raise UsageError(
                    "one marker is inside another, or is listed twice",
                    repr(spelling),
                    "Choose markers that do not contain each other",
                )

    def _hides(self, spelling: str, other: str) -> bool:
        if self.line_start:
            return other.startswith(spelling)
        return spelling == other or spelling in other[:-1]

    def all(self) -> tuple[str, ...]:
        """Every spelling of every kind."""
        return (*self.reasoning, *self.response, *self.runaway, *self.end)

    def kinds(self) -> dict[str, MarkerKind]:
        """The kind of every spelling."""
        by_kind: tuple[tuple[MarkerKind, tuple[str, ...]], ...] = (
            ("reasoning", self.reasoning),
            ("response", self.response),
            ("runaway", self.runaway),
            ("end", self.end),
        )
        return {spelling: kind for kind, spellings in by_kind for spelling in spellings}


ALPACA = Markers(("### Reasoning:",), ("### Response:",), ("### Instruction:", "### Input:"))
THINK = Markers(("<think>",), ("</think>",), line_start=False)
