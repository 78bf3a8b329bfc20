"""Where the text that is searched for occurs, and a table cell shifted so that its first match is visible.

Matches are found by the rule of the search itself. Foreign text is made safe here. Knows no rows.
"""

from __future__ import annotations

from rich.cells import cell_len

from core.base.row import COLUMNS
from core.base.safe_text import safe_line, safe_text
from core.data.search.text_patterns import python_pattern
from tui.common.fit_text import cut_line, fit_to_width

TextSpan = tuple[int, int]
"""First character, and one past the last."""

SEARCHED_CHARACTERS = 200_000  # of a table cell that are searched for its first match


class SearchMatches:
    """Finds the text that is searched for."""

    def __init__(self, text: str = "", columns: tuple[str, ...] = ()) -> None:
        """text: empty for no search; columns: those that are searched, all where there are none."""
        self.text = text
        """What is searched for, as it was typed."""
        self.columns = columns or COLUMNS
        """The columns that are searched."""
        safe = safe_text(text)
        self.length = len(safe)
        """Characters of a match in safe text."""
        self._raw_pattern = python_pattern(text) if text else None
        self._safe_pattern = python_pattern(safe) if safe else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchMatches) and (self.text, self.columns) == (other.text, other.columns)

    def __hash__(self) -> int:
        return hash((self.text, self.columns))

    def in_columns(self, *columns: str) -> SearchMatches:
        """These matches where one of `columns` is searched, none otherwise."""
        if not self.text or any(column in self.columns for column in columns):
            return self
        return NO_MATCHES

    def spans(self, safe: str) -> list[TextSpan]:
        """Where the matches are in text that has been made safe."""
        if self._safe_pattern is None:
            return []
        return [match.span() for match in self._safe_pattern.finditer(safe)]

    def first(self, text: str) -> int | None:
        """The first character of the first match in foreign text, None where there is none."""
        if self._raw_pattern is None:
            return None
        match = self._raw_pattern.search(text, 0, SEARCHED_CHARACTERS)
        return match.start() if match is not None else None

    def count(self, text: str) -> int:
        """How many matches foreign text has."""
        if self._raw_pattern is None:
            return 0
        return sum(1 for _ in self._raw_pattern.finditer(text))

    def cell(self, text: str, width: int) -> tuple[str, list[TextSpan]]:
        """Foreign text as one line of exactly `width` cells, and the matches in it. Where the first match would be cut
        off, the line begins shortly before it."""
        start = self.first(text)
        if start is None:
            return fit_to_width(text, width), []
        line = safe_line(text, max(width, 1) * 2)
        spans = self.spans(line)
        if not spans or cell_len(line[: spans[0][1]]) >= width:
            line = safe_line(text[max(0, start - width) : start + self.length + width * 2], width * 4)
            spans = self.spans(line)
            if spans and (begin := _begin_before(line, spans[0][0], width // 3)):
                line = "…" + line[begin:]
                spans = [(left - begin + 1, right - begin + 1) for left, right in spans if left >= begin]
        cut = cut_line(line, width)
        visible = len(cut.rstrip().rstrip("…"))
        return cut, [(left, min(right, visible)) for left, right in spans if left < visible]


NO_MATCHES = SearchMatches()


def _begin_before(line: str, end: int, cells: int) -> int:
    """The character to begin at so that at most `cells` cells precede the character `end`."""
    begin = end
    while begin and cells > 0:
        begin -= 1
        cells -= cell_len(line[begin])
    return begin
