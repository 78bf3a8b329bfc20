"""A text that carries its reasoning between markers, cut in two. Knows the markers of public data sets, neither columns
nor chat turns.

This cuts whole texts that lie still; the splitter of `core.prompts` does the same to a stream of pieces, for the one
format its prompt asked for.
"""

from __future__ import annotations

from typing import NamedTuple

MARKERS = (
    ("<think>", "</think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
)
_WRAPS = (("<|begin_of_solution|>", "<|end_of_solution|>"), ("<answer>", "</answer>"))
_STARTS = frozenset(opener[0] for opener, _ in MARKERS)
_SOLUTION = _WRAPS[0][0]


class Cut(NamedTuple):
    """reasoning: what stood between the markers; answer: the rest, None where the reasoning never ends; marker: the
    opening one, for people."""

    reasoning: str
    answer: str | None
    marker: str


def cut(text: str) -> Cut | None:
    """The two sides of `text`, or None where it has no reasoning between markers. Only the blanks that touch a marker
    are dropped.

    The reasoning is what the first marker opens: at the start of the text, or, where it closes again, at the start of a
    later line; what stood before it then leads the answer. Where only the closing marker stands in the text, its opener
    was the end of the prompt: all before it is reasoning.
    """
    bare = text.lstrip()
    if bare[:1] in _STARTS:
        for opener, closer in MARKERS:
            if bare.startswith(opener):
                return _inside(bare[len(opener) :], "", opener, closer)
    for opener, closer in MARKERS:
        end = text.find(closer)
        if end < 0:
            continue
        start = text.find("\n" + opener)
        if 0 <= start < end:
            return _inside(text[start + 1 + len(opener) :], text[:start].rstrip(), opener, closer)
        if opener not in text and text.find(closer, end + 1) < 0:
            return Cut(text[:end].strip(), _unwrapped(text[end + len(closer) :]), closer)
    return None


def _inside(rest: str, before: str, opener: str, closer: str) -> Cut:
    end = rest.find(closer)
    if end < 0:
        end, closer = rest.find(_SOLUTION), ""  # the thought's own end is missing, but the solution has begun
    if end < 0:
        return Cut(rest.strip(), before or None, opener)
    answer = _unwrapped(rest[end + len(closer) :])
    return Cut(rest[:end].strip(), f"{before}\n{answer}" if before and answer else before or answer, opener)


def _unwrapped(answer: str) -> str:
    """What follows the reasoning, without the markers that may enclose the whole of it."""
    answer = answer.lstrip()
    for opener, closer in _WRAPS:
        if answer.startswith(opener):
            inner, _, tail = answer[len(opener) :].partition(closer)
            return answer if tail.strip() else inner.strip()
    return answer
