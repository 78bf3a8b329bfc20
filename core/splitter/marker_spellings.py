"""The markers that separate reasoning from response: one set for a template, in any number of spellings."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.base.errors import UsageError

Pair = tuple[str, str]
"""An opening spelling and the closing one that belongs to it."""
MarkerKind = Literal["reasoning", "response", "runaway", "end"]


class Markers(msgspec.Struct, frozen=True):
    """The markers of one template, each kind in any number of spellings. A plain string is one spelling.

    Raises UsageError for a spelling that is empty, contains a line break, is a tag with outer blanks, or cannot be
    distinguished from another one
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
    wraps: tuple[Pair, ...] = ()
    """Pairs of tags that may enclose the whole response: the opening one counts directly after the reasoning was closed
    (anywhere where it is a spelling of `response` too), its closing one as the last of the answer."""
    end: tuple[str, ...] = ()
    """Further tags that count only as the last of the answer, white space aside."""

    def __post_init__(self) -> None:
        for name in ("reasoning", "response", "runaway", "end"):
            value = getattr(self, name)
            spellings = (value,) if isinstance(value, str) else tuple(value)
            msgspec.structs.force_setattr(self, name, spellings)
        if not self.response:
            raise UsageError("no marker opens the response", "markers", "Give the response at least one marker")
        if self.line_start and (self.end or self.wraps):
            raise UsageError("a heading cannot enclose or end the response", "markers", "Use `runaway` for headings")
        spellings = tuple(self.kinds())
        if len(self.all()) > len({*self.all()}):
            twice = next(spelling for spelling in self.all() if self.all().count(spelling) > 1)
            raise UsageError(
                "one marker is inside another, or is listed twice",
                repr(twice),
                "Choose markers that do not contain each other",
            )
        for index, spelling in enumerate(spellings):
            if not spelling or "\n" in spelling or "\r" in spelling:
                raise UsageError(
                    "a marker must be text on one line",
                    repr(spelling),
                    "Give every marker at least one character and no line break",
                )
            if not self.line_start and spelling != spelling.strip():
                raise UsageError("a tag begins or ends with a blank", repr(spelling), "Remove the blank")
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
        """Every spelling that opens a section or ends the answer, without those around the whole response."""
        return (*self.reasoning, *self.response, *self.runaway)

    def kinds(self) -> dict[str, MarkerKind]:
        """The kind of every spelling. A wrap's opening tag is a `response`, its closing one an `end`."""
        kinds: dict[str, MarkerKind] = {}
        for opener, closer in self.wraps:
            kinds |= {opener: "response", closer: "end"}
        kinds |= dict.fromkeys(self.end, "end")
        kinds |= dict.fromkeys(self.reasoning, "reasoning")
        kinds |= dict.fromkeys(self.response, "response")
        return kinds | dict.fromkeys(self.runaway, "runaway")


ALPACA = Markers(("### Reasoning:",), ("### Response:",), ("### Instruction:", "### Input:"))
THINK = Markers(
    ("<think>",),
    ("</think>",),
    line_start=False,
    wraps=(("<answer>", "</answer>"), ("<response>", "</response>")),
)
