"""One field of a row as lines of a given width, wrapped piece by piece.

A field of a megabyte must not block the screen. Foreign text is made safe here, a piece at a time. A full line never
changes, so lines that are wrapped do not move. Knows no widget.
"""

from __future__ import annotations

from core.base.safe_text import safe_text
from tui.common.wrapping import WrappedText
from tui.data.widgets.search_matches import SearchMatches, TextSpan

FIRST_PIECE = 4_000  # characters wrapped at once: two milliseconds


class FieldLines:
    """The lines wrapped so far; `wrap_more` until `is_done`."""

    def __init__(self, text: str, width: int) -> None:
        """text: foreign; width: in cells."""
        self._raw = text
        self._done_upto = 0  # characters of the raw text
        self._wrapped = WrappedText(width)
        self.wrap_more(FIRST_PIECE)

    @property
    def lines(self) -> list[str]:
        """The lines wrapped so far, safe text. For reading only."""
        return self._wrapped.lines

    @property
    def width(self) -> int:
        """In cells."""
        return self._wrapped.width

    @property
    def is_done(self) -> bool:
        return self._done_upto >= len(self._raw)

    def wrap_more(self, characters: int) -> None:
        """Wrap about this many more characters, up to a line break if there is one."""
        end = min(self._done_upto + characters, len(self._raw))
        if end < len(self._raw):
            newline = self._raw.rfind("\n", self._done_upto, end)
            if newline >= 0:
                end = newline + 1
            elif self._raw[end - 1] == "\r":  # half of a line break
                end += 1
        self._wrapped.append(safe_text(self._raw[self._done_upto : end]))
        self._done_upto = end

    def is_hard(self, line: int) -> bool:
        """Whether the text itself ends the line."""
        return self._wrapped.is_hard(line)

    def spans(self, line: int, matches: SearchMatches) -> list[TextSpan]:
        """The matches in a line, including parts of those that begin in the line before or continue in the next."""
        if not matches.length:
            return []
        lines = self._wrapped.lines
        first = last = line
        before = after = 0
        while first > 0 and before < matches.length:
            first -= 1
            before += len(lines[first]) + self.is_hard(first)
        while last + 1 < len(lines) and after < matches.length:
            last += 1
            after += len(lines[last]) + 1
        text = "".join(lines[i] + "\n" * self.is_hard(i) for i in range(first, last + 1))
        end = before + len(lines[line])
        return [
            (max(left, before) - before, min(right, end) - before)
            for left, right in matches.spans(text)
            if left < end and right > before
        ]

    def first_match_line(self, matches: SearchMatches) -> int | None:
        """The first line, of those wrapped so far, with a match in it."""
        if not matches.length:
            return None
        return next((line for line in range(len(self.lines)) if self.spans(line, matches)), None)

    def cut_from(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        """The text from (line, character) to (line, character), without the breaks that wrapping made."""
        return self._wrapped.cut_from(start, end)
