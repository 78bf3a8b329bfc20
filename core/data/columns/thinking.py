"""Splits a text with its reasoning between markers. Knows the marker families, no columns or chat turns.

This splits complete texts; `core.splitter` splits a stream of pieces, in the one format that its prompt asks for.
Markers count in any letter case.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from core.data.columns.harmony import split_harmony
from core.splitter.marker_families import HARMONY, THINKING_FAMILIES, MarkerFamily

THINKING_MARKERS = tuple(
    pair for family in THINKING_FAMILIES if family is not HARMONY and not family.is_prose for pair in family.pairs
)
"""What stands around the reasoning, of all families whose markers count anywhere in a text."""
_SOLUTION = ("<|begin_of_solution|>", "<|end_of_solution|>")
_TAIL = 6  # characters at the end of a marker by which texts without any marker are told quickly


class ThinkingSplit(NamedTuple):
    """The two sides of a text."""

    reasoning: str
    """The text between the markers."""
    answer: str | None
    """The rest; None where the reasoning never ends."""
    marker: str
    """The opening marker, for the user; the closing one where there is no opening one."""


class _Pair(NamedTuple):
    """The markers around a thought, in lower case."""

    opener: str
    closer: str
    family: MarkerFamily
    wraps: tuple[tuple[str, str], ...]


def _pairs() -> tuple[_Pair, ...]:
    found: dict[tuple[str, str], _Pair] = {}
    for family in THINKING_FAMILIES:
        wraps = tuple(dict.fromkeys((opener.lower(), closer.lower()) for opener, closer in (*family.wraps, _SOLUTION)))
        for opener, closer in family.pairs:
            lowered = (opener.lower(), closer.lower())
            found.setdefault(lowered, _Pair(*lowered, family, wraps))
    return tuple(found.values())


_PAIRS = _pairs()
MARKER_TEXTS = tuple(dict.fromkeys([marker for pair in _PAIRS for marker in pair[:2]] + ["<|channel|>"]))
"""What a text with a marker holds in lower case, one of these at least."""
MARKER_PATTERN = "(?i)" + "|".join(map(re.escape, MARKER_TEXTS))
"""A regular expression of RE2 for these."""
MARKER_STARTS = (b"<", b"[", "◁".encode())
"""A text that can be split holds one of these characters, as UTF-8."""
_TAILS = tuple(dict.fromkeys(marker[-_TAIL:] for marker in MARKER_TEXTS))


def may_have_markers(text: str) -> bool:
    """Whether `text` may have reasoning between markers; False is certain."""
    if "<" not in text and "[" not in text and "◁" not in text:  # as MARKER_STARTS, which a loop would make slower
        return False
    lowered = text.lower()
    return any(tail in lowered for tail in _TAILS)


def split_thinking(text: str) -> ThinkingSplit | None:
    """The two sides of `text`, or None where it has no reasoning between markers. Only blanks next to a marker are
    dropped.

    The reasoning begins at the first opening marker: at the start of the text, or, where it is closed again, at the
    start of a later line; the text before it then belongs to the answer. Where there is only a closing marker, its
    opening one was the end of the prompt: all text before it is reasoning. Markers in code are text.
    """
    if not may_have_markers(text):
        return None
    if messages := split_harmony(text):
        return ThinkingSplit(*messages, HARMONY.openers[0])
    lowered = _lowered(text)
    start = len(text) - len(text.lstrip())
    for pair in _PAIRS:
        if lowered.startswith(pair.opener, start) and not (pair.family.is_prose and pair.closer not in lowered):
            return _inside(text, lowered, start, "", pair)
    for pair in _PAIRS:
        end = lowered.find(pair.closer)
        if end < 0 or pair.family.is_prose:
            continue
        line = lowered.find("\n" + pair.opener) + 1
        if 0 < line < end:
            if not _is_in_code(text, line):
                return _inside(text, lowered, line, text[:line].rstrip(), pair)
        elif pair.opener not in lowered and lowered.find(pair.closer, end + 1) < 0 and not _is_in_code(text, end):
            after = end + len(pair.closer)
            return ThinkingSplit(text[:end].strip(), _unwrapped(text[after:], pair), text[end:after])
    return None


def _lowered(text: str) -> str:
    """`text` in lower case, with every character in its place."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text.replace("\u0130", " ").lower()


def _inside(text: str, lowered: str, start: int, before: str, pair: _Pair) -> ThinkingSplit:
    """The sides of a text whose reasoning opens at `start`. before: the text above it, part of the answer."""
    marker = text[start : start + len(pair.opener)]
    start += len(marker)
    end = lowered.find(pair.closer, start)
    after = end + len(pair.closer)
    if end < 0:  # the closing marker is missing, but the answer may have begun
        end = after = min(
            (at for opener, _ in pair.wraps if (at := _line_with(lowered, opener, start)) >= 0), default=-1
        )
    if end < 0:
        return ThinkingSplit(text[start:].strip(), before or None, marker)
    answer = _unwrapped(text[after:], pair)
    return ThinkingSplit(
        text[start:end].strip(), f"{before}\n{answer}" if before and answer else before or answer, marker
    )


def _line_with(lowered: str, opener: str, start: int) -> int:
    """Where a line begins with what opens the answer; the solution's own marker counts anywhere."""
    if opener == _SOLUTION[0]:
        return lowered.find(opener, start)
    line = lowered.find("\n" + opener, start)
    return line + 1 if line >= 0 else -1


def _unwrapped(answer: str, pair: _Pair) -> str:
    """The text after the reasoning, without the markers that may enclose or end all of it."""
    answer = answer.lstrip()
    for end in pair.family.ends:
        if answer.rstrip().endswith(end):
            answer = answer.rstrip().removesuffix(end).rstrip()
    lowered = _lowered(answer)
    for opener, closer in pair.wraps:
        if lowered.startswith(opener):
            close = lowered.find(closer, len(opener))
            if close < 0:
                return answer[len(opener) :].strip()
            return answer if answer[close + len(closer) :].strip() else answer[len(opener) : close].strip()
    return answer


def _is_in_code(text: str, at: int) -> bool:
    """Whether the character at `at` is inside a fenced code block that ends, or between backticks of its line."""
    fences = _fence_count(text[:at])
    if fences % 2 and _fence_count(text[at:]) % 2:
        return True
    line_end = text.find("\n", at)
    before = text[text.rfind("\n", 0, at) + 1 : at]
    after = text[at : line_end if line_end >= 0 else len(text)]
    return before.count("`") % 2 == 1 and "`" in after


def _fence_count(text: str) -> int:
    return sum(1 for line in text.split("\n") if line.lstrip(" ").startswith("```")) if "```" in text else 0
