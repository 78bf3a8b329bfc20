"""Where the text a person searches for stands in other text, and a cell of a table that is moved so that it can be
seen. Knows no rows.

What is sought is found by the rule of the search itself. Foreign text is made safe here.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from core.base.row import COLUMNS
from core.base.safe_text import safe_line, safe_text
from core.data.search.text_patterns import held_pattern

Span = tuple[int, int]  # first character and one past the last
FAR = 200_000  # characters of a cell that are looked through for a hit to show in the table


class Hits:
    """Finds `text`, empty for none, in the columns named (all where none is)."""

    def __init__(self, text: str = "", columns: tuple[str, ...] = ()) -> None:
        self.text, self.columns = text, columns or COLUMNS
        self._raw = held_pattern(text) if text else None
        shown = safe_text(text)
        self._shown = held_pattern(shown) if shown else None
        self.length = len(shown)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hits) and (self.text, self.columns) == (other.text, other.columns)

    def __hash__(self) -> int:
        return hash((self.text, self.columns))

    def of(self, *columns: str) -> Hits:
        """These hits where one of `columns` is searched, none otherwise."""
        return self if not self.text or any(column in self.columns for column in columns) else NONE

    def spans(self, safe: str) -> list[Span]:
        """Where it stands in text that has been made safe."""
        return [match.span() for match in self._shown.finditer(safe)] if self._shown is not None else []

    def first(self, text: str) -> int | None:
        """Where it first stands in foreign text."""
        match = self._raw.search(text, 0, FAR) if self._raw is not None else None
        return match.start() if match is not None else None

    def count(self, text: str) -> int:
        """How often it stands in foreign text."""
        return sum(1 for _ in self._raw.finditer(text)) if self._raw is not None else 0

    def cell(self, text: str, width: int) -> tuple[str, list[Span]]:
        """Foreign text as one line of exactly `width` cells, and the hits in it. Where the first hit would be cut off,
        the line begins before it."""
        start = self.first(text)
        if start is None:
            return fit(text, width), []
        line = safe_line(text, max(width, 1) * 2)
        spans = self.spans(line)
        if not spans or cell_len(line[: spans[0][1]]) >= width:
            line = safe_line(text[max(0, start - width) : start + self.length + width * 2], width * 4)
            spans = self.spans(line)
            if spans and (begin := _back(line, spans[0][0], width // 3)):
                line = "…" + line[begin:]
                spans = [(left - begin + 1, right - begin + 1) for left, right in spans if left >= begin]
        cut = _cut(line, width)
        most = len(cut.rstrip().rstrip("…"))
        return cut, [(left, min(right, most)) for left, right in spans if left < most]


NONE = Hits()


def _back(line: str, end: int, cells: int) -> int:
    """How many characters to leave out so that at most `cells` cells stand before character `end`."""
    begin = end
    while begin and cells > 0:
        begin -= 1
        cells -= cell_len(line[begin])
    return begin


def fit(text: str, width: int) -> str:
    """Foreign text as one safe line of exactly `width` cells, `…` at its end where some is left out."""
    return _cut(
        safe_line(text, max(width, 1) * 2), width
    )  # a cell holds at most a few characters; what combines beyond that is cut


def _cut(line: str, width: int) -> str:
    if cell_len(line) > width:
        line = set_cell_size(line, max(0, width - 1)).rstrip() + "…"
    return set_cell_size(line, max(0, width))
