"""What stands around the response in a chat template's rendering, where a family of markers encloses it. Knows only
text."""

from __future__ import annotations

import msgspec

from core.splitter.marker_families import THINKING_FAMILIES, MarkerFamily, family_markers
from core.splitter.marker_spellings import THINK, Markers
from core.splitter.splitter import StartSection
from core.templates.thought_marks import after_opener, empty_marks, open_thought


def opened_response(text: str) -> MarkerFamily | None:
    """The family whose response `text` opens at its end, white space aside; None where none is opened there."""
    end = text.rstrip()
    return next((family for family in THINKING_FAMILIES if end.endswith(_response_openers(family))), None)


def response_after_thought(opening: str, closing: str) -> tuple[str, str]:
    """`opening` and `closing` of a thought, with the opener of the response moved behind the thought where it stands
    before it: a template that encloses a whole text in its response does not know the thought in that text."""
    family = open_thought(opening)
    if family is None:
        return opening, closing
    begin, _ = after_opener(opening, family)
    lead = opening[:begin]
    if lead.strip() not in _response_openers(family):
        return opening, closing
    return opening[begin:], closing + lead


def opener_after_empty_thought(prompt: str, turn: str) -> str:
    """The opener of the response where `prompt` ends with an empty thought that `turn`, the text up to an answer, has
    not; empty where there is none."""
    empty = empty_marks(prompt)
    if empty is None or not turn.startswith(empty[0]):
        return ""
    rest = turn.removeprefix(empty[0])
    return rest if rest.strip() in _response_openers(empty[1].family) else ""


def plain_markers(opening: str, shown_tail: str) -> tuple[Markers, StartSection]:
    """The markers that read an answer without reasoning, and where it begins. opening: the model's text before it;
    shown_tail: what an answer shows after its text."""
    direct, end = opening.strip(), shown_tail.strip()
    start: StartSection = "undecided" if direct else "response"
    for family in THINKING_FAMILIES:
        if direct and direct in _response_openers(family):
            return family_markers(family), start
    for family in THINKING_FAMILIES:
        if end in family.spellings():
            return with_response_end(family_markers(family), end), start
    if not direct or "\n" in direct or open_thought(direct) is not None or empty_marks(direct) is not None:
        return THINK, start
    return Markers((), (direct,), line_start=False), "undecided"


def with_response_end(markers: Markers, shown_tail: str) -> Markers:
    """`markers` that also read the end of a response whose opener the model does not write, because the prompt did."""
    end = shown_tail.strip()
    if end in markers.end or end not in (closer for _, closer in markers.wraps):
        return markers
    return msgspec.structs.replace(markers, end=(*markers.end, end))


def _response_openers(family: MarkerFamily) -> tuple[str, ...]:
    return (*family.finals, *(opener for opener, _ in family.wraps))
