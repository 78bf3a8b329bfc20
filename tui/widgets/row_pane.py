"""One whole row: all six columns under headings, wrapped. Long cells show their beginning, and more on demand."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.row import Row
from core.safe_text import safe_line, safe_text

FIRST = 6_000  # characters of a cell shown at once; wrapping this many costs a few milliseconds
MORE = 60_000  # further ones shown on demand


class RowPane(VerticalScroll):
    """Text can be selected with the mouse; what is selected is what is seen, so control characters come out as their pictures."""

    DEFAULT_CSS = """
    RowPane {
        background: $surface; color: $foreground; padding: 0 1; scrollbar-size-vertical: 1;
        & > Static { width: 1fr; height: auto; }
    }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._row: Row | None = None
        self._limit = FIRST

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, row: Row | None) -> None:
        """Show a row from its top. The same row again leaves the pane as it is."""
        if row == self._row:
            return
        self._row, self._limit = row, FIRST
        self._draw()
        self.scroll_home(animate=False)

    def show_more(self) -> bool:
        """Show more of the cells that were cut; False where none was."""
        if self._row is None or not any(len(text) > self._limit for text in _texts(self._row)):
            return False
        self._limit += MORE
        self._draw()
        return True

    def page_by(self, pages: int) -> None:
        self.scroll_relative(y=pages * max(1, self.size.height - 2), animate=False)

    def _draw(self) -> None:
        static = self.query_one(Static)
        static.update(row_content(self._row, self._limit) if self._row is not None else Content.styled("This row is on its way …", "$text-muted"))


def _texts(row: Row) -> tuple[str, str, str, str]:
    return row.instruction, row.input, row.reasoning, row.output


def row_content(row: Row, limit: int) -> Content:
    """All of a row as content without markup, at most `limit` characters of each cell."""
    parts: list[Content] = [_heading(f"row {row.index}")]
    for name, value in (("syslang", row.syslang), ("sysflag", row.sysflag)):
        parts += [Content.styled(f"  {name} ", "$text-muted"), Content(safe_line(value, 60)) if value else Content.styled("(empty)", "$text-muted")]
    for name, text, style in zip(("instruction", "input", "reasoning", "output"), _texts(row), ("", "", "$reasoning", "$response"), strict=True):
        parts += [Content("\n\n"), _heading(name)]
        if len(text) > limit:
            parts.append(Content.styled(f"  the first {limit:,} of {len(text):,} characters; v shows more", "$warning"))
        if text:
            parts += [Content("\n"), Content.styled(safe_text(text[:limit]), style) if style else Content(safe_text(text[:limit]))]
        else:
            parts.append(Content.styled("  (empty)", "$text-muted"))
        if len(text) > limit:
            parts.append(Content.styled(f"\n… {len(text) - limit:,} more characters; v shows more", "$warning"))
    return Content("").join(parts)


def _heading(name: str) -> Content:
    return Content.styled(name, "bold $primary")
