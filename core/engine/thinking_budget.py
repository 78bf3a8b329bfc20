"""Closes a reasoning that has used up its tokens, by the ids with which its template closes one.

Knows sections and ids; the splitter finds the sections, and a step feeds the ids (`Step.force`).
"""

from __future__ import annotations

from collections.abc import Sequence

from core.splitter.splitter import Section, StartSection

_PATIENCE = 16
"""Tokens beyond the budget for a character or a marker that is being written; longer ones are broken off."""


class ThinkingBudget:
    """Watches one answer: `begin` behind its prompt, then `read` each of its tokens, the given ones too."""

    def __init__(self, budget: int, closing: Sequence[int]) -> None:
        """budget: the most tokens between the markers of the reasoning, 0 or more. closing: the ids between reasoning
        and response."""
        self._budget = budget
        self._closing = tuple(closing)
        self._inside = False
        self._given = 0  # tokens of the closing that were not read yet
        self.tokens = 0
        """Tokens of the reasoning so far, without those that close it here."""
        self.has_closed = False
        """Whether a reasoning was closed here."""

    def begin(self, start: StartSection) -> tuple[int, ...]:
        """The ids to feed before the first token is chosen; empty unless the prompt opens a reasoning that has no
        budget. start: the section in which the answer begins."""
        self._inside = start == "reasoning"
        return self._close() if self._inside and self._budget == 0 else ()

    def read(self, section: Section, *, is_whole: bool = True) -> tuple[int, ...]:
        """One more token was read. Returns the ids to feed next instead of chosen ones; empty mostly.

        section: the section behind the token. is_whole: whether the text ends there in a complete character, and in no
        beginning of a marker.
        """
        if self._given:
            self._given -= 1
            self._inside = section == "reasoning"
            return ()
        self.tokens += self._inside
        self._inside = section == "reasoning"
        over = self.tokens - self._budget
        if self._inside and over >= 0 and (is_whole or over >= _PATIENCE):
            return self._close()
        return ()

    def _close(self) -> tuple[int, ...]:
        self.has_closed = True
        self._given = len(self._closing)
        return self._closing
