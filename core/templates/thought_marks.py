"""What stands around a thought in a chat template's rendering, by the families of markers. Knows only text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from core.base.errors import UsageError
from core.splitter.marker_families import THINKING_FAMILIES, MarkerFamily, family_markers
from core.splitter.marker_spellings import THINK, Markers
from core.splitter.splitter import Splitter, StartSection

_THINK = THINKING_FAMILIES[0]
_ONLY_TAGS = re.compile(r"\s*(?:<[^<>\s]+>\s*)*")


class ThoughtMarks(msgspec.Struct, frozen=True):
    """The text around a thought, with its white space."""

    opening: str
    """The text before it."""
    closing: str
    """The text between it and the answer."""
    family: MarkerFamily
    """The family of its markers."""


def open_thought(text: str) -> MarkerFamily | None:
    """The family whose thought is open where `text` ends: nothing but tags follows its opener, and none closes it. None
    where none is."""
    for family in THINKING_FAMILIES:
        begin, end = after_opener(text, family)
        rest = text[end:]
        if begin >= 0 and _ONLY_TAGS.fullmatch(rest) and not any(closer in rest for _, closer in family.pairs):
            return family
    return None


def after_opener(text: str, family: MarkerFamily) -> tuple[int, int]:
    """Where the last opener of `family` begins in `text`, and where it ends; (-1, -1) where there is none."""
    found = [(text.rfind(opener), opener) for opener in family.openers]
    offset, opener = max(found)
    return (offset, offset + len(opener)) if offset >= 0 else (-1, -1)


def usual_marks(family: MarkerFamily, program: str) -> ThoughtMarks:
    """The marks as models of this family write them. program: the chat template's, which shows whether a line end
    follows the opener."""
    opener, closer = family.pairs[0]
    if family is _THINK:
        return ThoughtMarks(f"{opener}\n", f"\n{closer}\n\n", family)
    if family.is_prose:
        return ThoughtMarks(f"{opener}\n", f"\n{closer}\n", family)
    line_end = "\n" if f"{opener}\\n" in program or f"{opener}\n" in program else ""
    return ThoughtMarks(f"{opener}{line_end}", f"{line_end}{closer}", family)


def families_in(program: str) -> list[MarkerFamily]:
    """The families that a chat template's program knows: first those in words, whose close alone is certain, `<think>`
    last."""
    known = [
        family
        for family in THINKING_FAMILIES[1:]
        if any(closer in program and (family.is_prose or opener in program) for opener, closer in family.pairs)
    ]
    known.sort(key=lambda family: not family.is_prose)
    opener, closer = _THINK.pairs[0]
    return [*known, _THINK] if opener in program or closer in program else known


def empty_marks(turn: str) -> tuple[str, ThoughtMarks] | None:
    """The text before an empty thought in `turn`, and its marks; what follows the thought belongs to the closing. None
    where there is no empty thought."""
    for family in THINKING_FAMILIES:
        for opener, closer in family.pairs:
            before, found, rest = turn.partition(opener)
            inner, closed, after = rest.partition(closer)
            if found and closed and not inner.strip():
                half = len(inner) // 2
                return before, ThoughtMarks(opener + inner[:half], inner[half:] + closer + after, family)
    return None


def marks_around(before: str, after: str, answer: str) -> ThoughtMarks | None:
    """The marks of a thought between `before` and `after`, which a chat template wrote around a stand-in; None where no
    family has them. answer: the stand-in of the answer; white space up to it belongs to the closing."""
    found = [(after_opener(before, family)[0], family) for family in THINKING_FAMILIES]
    offset, family = max(found, key=lambda one: one[0])
    if offset < 0:
        return None
    ends = [end + len(closer) for _, closer in family.pairs if (end := after.find(closer)) >= 0]
    if not ends:
        return None
    closing, rest = after[: min(ends)], after[min(ends) :]
    blanks = rest[: len(rest) - len(rest.lstrip())]
    if rest[len(blanks) :].startswith(answer):
        closing += blanks
    return ThoughtMarks(before[offset:], closing, family)


def closing_after(prompt: str, turn: str, family: MarkerFamily) -> str:
    """The text that closes an empty thought in `turn`, the text up to an answer, where `prompt` opens it; empty where
    the turn has none."""
    begin, end = after_opener(prompt, family)
    if turn.startswith(prompt):
        rest = turn.removeprefix(prompt)
    elif turn.startswith(prompt[:begin]):
        rest = turn[begin:]
        in_prompt, opener = prompt[end:], prompt[begin:end]
        if rest.startswith(opener):
            rest = rest.removeprefix(opener)
            blanks = rest[: len(rest) - len(rest.lstrip())]
            if blanks != in_prompt:
                return ""  # the white space of an empty thought says nothing about one with text
            rest = rest.removeprefix(blanks)
    else:
        return ""
    return rest if any(rest.lstrip().startswith(closer) for _, closer in family.pairs) else ""


def opening_after(prompt_end: str, usual_end: str, opening: str) -> str:
    """The model's text before its reasoning, after a prompt that ends with `prompt_end`, so that the thought is opened
    once. usual_end, opening: the end of a prompt without context, and the text after that."""
    if prompt_end == usual_end:
        return opening
    opened, usually_opened = open_thought(prompt_end), open_thought(usual_end)
    if opened is None and usually_opened is not None:
        return usual_end[after_opener(usual_end, usually_opened)[0] :] + opening
    if opened is not None and usually_opened is None and open_thought(opening) is opened:
        return ""
    return opening


def markers_for(opening: str, closing: str, shown_tail: str, start: StartSection, direct: str = "") -> Markers | None:
    """The markers with which a splitter reads a reasoning and an answer between these texts; None where no markers do.

    opening, closing: the model's text before the reasoning and between it and the answer; for a reasoning that the
    prompt opens, `opening` is the end of the prompt and `start` is "reasoning". shown_tail: what an answer shows after
    its text. direct: the text before an answer without reasoning.
    """
    text = f"{'' if start == 'reasoning' else opening}a{closing}b{shown_tail}"
    for markers in _possible_markers(opening, closing, direct):
        splitter = Splitter(markers, start)
        splitter.feed(text)
        splitter.close()
        if (splitter.reasoning.strip(), splitter.response.strip()) == ("a", f"b{shown_tail}".strip()) or (
            splitter.reasoning.strip(),
            splitter.response.strip(),
        ) == ("a", "b"):
            return markers
    return None


def _possible_markers(opening: str, closing: str, direct: str) -> Iterator[Markers]:
    """Markers that may read such an answer, the most complete first: those of the family; else, the text before an
    answer without reasoning is another spelling of the marker that closes the reasoning."""
    family = open_thought(opening)
    if family is None:
        family = next(
            (known for known in THINKING_FAMILIES if any(closer in closing for _, closer in known.pairs)), None
        )
    if family is not None:
        yield THINK if family is _THINK else family_markers(family)
    close_spelling = closing.strip()
    open_spelling = opening.strip().rpartition("\n")[2]
    if not close_spelling or "\n" in close_spelling:
        return
    for opens in ((open_spelling,), ()):
        for closes in ((close_spelling, direct), (close_spelling,)):
            try:
                yield Markers(tuple(filter(None, opens)), tuple(dict.fromkeys(filter(None, closes))), line_start=False)
            except UsageError:
                continue  # these cannot be distinguished in a stream
