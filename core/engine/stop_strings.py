"""Finds stop strings in text that arrives in pieces. Knows text only.

The first stop string that is complete ends the text; of several that are complete at the same letter, the longest. The
result does not depend on how the text is cut. Only an end of the text that may become a stop string is held back.
"""

from __future__ import annotations

import re
from collections.abc import Collection


class StopStrings:
    """Made for one text: `feed` its pieces, then `close`."""

    def __init__(self, strings: Collection[str], *, include: bool = False) -> None:
        """strings: none of them empty; no strings at all never stop. include: the text ends behind the stop string, not
        before it."""
        self._include = include
        self._prefixes = {string[:length] for string in strings for length in range(1, len(string))}
        self._longest = max(map(len, strings), default=1) - 1
        self._strings = tuple(sorted(strings, key=len, reverse=True))
        firsts = "".join(sorted({string[0] for string in strings}))
        self._first_letter = re.compile(f"[{re.escape(firsts)}]") if firsts else None
        self._held = ""
        self.found = ""
        """The stop string that ended the text; empty as long as none did."""

    def feed(self, text: str) -> str:
        """Read the next piece; returns the text that is certain now. After a stop string it is always empty."""
        if self.found or self._first_letter is None:
            return "" if self.found else text
        text = self._held + text
        self._held = ""
        if self._first_letter.search(text) is None:
            return text
        if match := self._first_complete(text):
            begin, self.found = match
            return text[: begin + len(self.found)] if self._include else text[:begin]
        for start in range(max(0, len(text) - self._longest), len(text)):
            if text[start:] in self._prefixes:
                self._held = text[start:]
                return text[:start]
        return text

    def close(self) -> str:
        """The text ends here; returns what was held back."""
        rest, self._held = self._held, ""
        return rest

    def _first_complete(self, text: str) -> tuple[int, str] | None:
        found: tuple[int, int, str] | None = None
        for string in self._strings:
            begin = text.find(string, 0, None if found is None else found[0])
            if begin >= 0 and (found is None or begin + len(string) < found[0]):
                found = begin + len(string), begin, string
        return None if found is None else found[1:]
