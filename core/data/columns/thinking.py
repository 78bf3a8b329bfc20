"""Splits a text with its reasoning between markers. Knows the markers of public data sets, no columns or chat turns.

This splits complete texts; `core.splitter` splits a stream of pieces, in the one format that its prompt asks for.
"""

from __future__ import annotations

from typing import NamedTuple

THINKING_MARKERS = (
    ("<think>", "</think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
)
_WRAPS = (("<|begin_of_solution|>", "<|end_of_solution|>"), ("<answer>", "</answer>"))
_STARTS = frozenset(opener[0] for opener, _ in THINKING_MARKERS)
_SOLUTION = _WRAPS[0][0]


class ThinkingSplit(NamedTuple):
    """The two sides of a text."""

    reasoning: str
    """The text between the markers."""
    answer: str | None
    """The rest; None where the reasoning never ends."""
    marker: str
    """The opening marker, for the user; the closing one where there is no opening one."""


def split_thinking(text: str) -> ThinkingSplit | None:
    """The two sides of `text`, or None where it has no reasoning between markers. Only blanks next to a marker are
    dropped.

    The reasoning begins at the first opening marker: at the start of the text, or, where it is closed again, at the
    start of a later line; the text before it then belongs to the answer. Where there is only a closing marker, its
    opening one was the end of the prompt: all text before it is reasoning.
    """
    bare = text.lstrip()
    if bare[:1] in _STARTS:
        for opener, closer in THINKING_MARKERS:
            if bare.startswith(opener):
                return _inside(bare[len(opener) :], "", opener, closer)
    for opener, closer in THINKING_MARKERS:
        end = text.find(closer)
        if end < 0:
            continue
        start = text.find("\n" + opener)
        if 0 <= start < end:
            return _inside(text[start + 1 + len(opener) :], text[:start].rstrip(), opener, closer)
        if opener not in text and text.find(closer, end + 1) < 0:
            return ThinkingSplit(text[:end].strip(), _unwrapped(text[end + len(closer) :]), closer)
    return None


def _inside(rest: str, before: str, opener: str, closer: str) -> ThinkingSplit:
    end = rest.find(closer)
    if end < 0:
        end, closer = rest.find(_SOLUTION), ""  # the closing marker is missing, but the solution has begun
    if end < 0:
        return ThinkingSplit(rest.strip(), before or None, opener)
    answer = _unwrapped(rest[end + len(closer) :])
    return ThinkingSplit(rest[:end].strip(), f"{before}\n{answer}" if before and answer else before or answer, opener)


def _unwrapped(answer: str) -> str:
    """The text after the reasoning, without the markers that may enclose all of it."""
    answer = answer.lstrip()
    for opener, closer in _WRAPS:
        if answer.startswith(opener):
            inner, _, tail = answer[len(opener) :].partition(closer)
            return answer if tail.strip() else inner.strip()
    return answer
