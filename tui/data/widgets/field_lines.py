"""One field of a row as lines of a given width, wrapped piece by piece: a cell of a megabyte must not hold up the
screen. Knows no widgets.

Foreign text is made safe here, a piece at a time. A line that is full never changes, so what has been wrapped stands
still.
"""

from __future__ import annotations

from core.base.safe_text import safe_text
from tui.common.wrapping import WrappedText
from tui.data.widgets.hits import Hits, Span

FIRST = 4_000  # characters wrapped at once: two milliseconds


class FieldLines:
    """`lines` is for reading; `more` until `done`."""

    def __init__(self, text: str, width: int) -> None:
        self._raw = text
        self._at = 0
        self._wrapped = WrappedText(width)
        self.more(FIRST)

    @property
    def lines(self) -> list[str]:
        return self._wrapped.lines

    @property
    def width(self) -> int:
        return self._wrapped.width

    @property
    def done(self) -> bool:
        return self._at >= len(self._raw)

    def more(self, characters: int) -> None:
        """Wrap about as many further characters, up to a line break where there is one."""
        end = min(self._at + characters, len(self._raw))
        if end < len(self._raw):
            newline = self._raw.rfind("\n", self._at, end)
            if newline >= 0:
                end = newline + 1
            elif self._raw[end - 1] == "\r":  # half of a line break
                end += 1
        self._wrapped.append(safe_text(self._raw[self._at : end]))
        self._at = end

    def is_hard(self, line: int) -> bool:
        """Whether the text itself ends the line."""
        return self._wrapped.is_hard(line)

    def spans(self, line: int, hits: Hits) -> list[Span]:
        """The hits in a line, also the part of one that begins in the line before or goes on in the next."""
        if not hits.length:
            return []
        lines = self._wrapped.lines
        first = last = line
        before = after = 0
        while first > 0 and before < hits.length:
            first -= 1
            before += len(lines[first]) + self.is_hard(first)
        while last + 1 < len(lines) and after < hits.length:
            last += 1
            after += len(lines[last]) + 1
        text = "".join(lines[i] + "\n" * self.is_hard(i) for i in range(first, last + 1))
        end = before + len(lines[line])
        return [
            (max(left, before) - before, min(right, end) - before)
            for left, right in hits.spans(text)
            if left < end and right > before
        ]

    def line_of(self, hits: Hits) -> int | None:
        """The first line, of those wrapped so far, with a hit in it."""
        return next((line for line in range(len(self.lines)) if self.spans(line, hits)), None) if hits.length else None

    def cut_from(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        """The text from (line, character) to (line, character), without the breaks that wrapping made."""
        return self._wrapped.cut_from(start, end)
