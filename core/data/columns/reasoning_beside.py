"""Reasoning that stands elsewhere in a row than in its column: between markers in the output, or with text behind it.

Knows the texts of one row, no mapping and no markers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.base.row import COLUMNS, is_blank

_REASONING, _OUTPUT = COLUMNS.index("reasoning"), COLUMNS.index("output")
OTHER_REASONING = "other reasoning in the output than in the reasoning column"
OTHER_ANSWER = "text behind the markers of the reasoning that is not the output"


class CutText(NamedTuple):
    """A text taken apart at its markers."""

    reasoning: str | None
    """The reasoning; None where there is no value."""
    rest: str | None
    """The text behind it."""
    marker: str = ""
    """The marker found; empty where there was none."""


class ReasoningBeside:
    """Completes rows by what their cut texts hold.

    output: the position, among the views of a row, of the output cut at its markers, where the reasoning is taken from
    elsewhere; reasoning: the position of the reasoning cut at its markers; each -1 where there is none. fills: whether
    the reasoning in the output is taken where the row has no other.
    """

    def __init__(self, output: int = -1, reasoning: int = -1, fills: bool = True) -> None:
        self._output, self._reasoning, self._fills = output, reasoning, fills

    def complete(self, texts: list[str], views: Sequence[Sequence[str | None]], unused: list[str]) -> None:
        """Fill the reasoning of a row of `texts`, and add to `unused` what no text of it holds."""
        if self._output >= 0 and (thought := views[self._output][0]):
            if is_blank(texts[_REASONING]) and self._fills:
                texts[_REASONING] = thought
            elif thought.strip() != texts[_REASONING].strip():
                unused.append(OTHER_REASONING)
        if self._reasoning >= 0 and (rest := views[self._reasoning][1]) and rest.strip() != texts[_OUTPUT].strip():
            unused.append(OTHER_ANSWER)

    def met(self, views: Sequence[Sequence[str | None]]) -> list[str]:
        """The columns of a row in which there were markers."""
        found = {"reasoning": self._reasoning, "output": self._output}
        return [column for column, view in found.items() if view >= 0 and len(views[view]) > 2 and views[view][2]]
