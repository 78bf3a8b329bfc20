"""A panel that fills while a model writes. Shows growing text with few bytes; knows nothing of models or questions.

A full line never changes, and only the last line is drawn again when text arrives. A full panel jumps up by a few rows
instead of scrolling with every line: that is a tenth of the bytes over SSH, and the text can be read meanwhile. Nothing
is ever dropped.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from core.base.safe_text import safe_text
from tui.chat.markdown_lines import Kind, Line, markdown_lines
from tui.common.selected_segments import highlight_selected
from tui.common.wrapping import WrappedText

MARGIN = " "  # drawn with the text: the padding of the widget would be painted separately, 40 bytes a row
NEAR = 2  # rows from the end within which the panel follows new text
JUMP = 3  # a full panel jumps up by this fraction of its rows
MARKDOWN_LIMIT = 200_000  # characters; longer answers stay plain text


class StreamPanel(ScrollView, can_focus=True):
    """`begin` empties it, `append` adds foreign text, `finish` ends the answer (and renders it, where `markdown` is
    set)."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "stream-panel--hint",
        "stream-panel--strong",
        "stream-panel--em",
        "stream-panel--code",
        "stream-panel--heading",
        "stream-panel--mark",
    }
    DEFAULT_CSS = """
    StreamPanel {
        scrollbar-size-vertical: 1;
        overflow-x: hidden;
        overflow-y: scroll;
        & .stream-panel--hint { color: $text-muted; }
        & .stream-panel--strong { text-style: bold; }
        & .stream-panel--em { text-style: italic; }
        & .stream-panel--code { color: $accent; }
        & .stream-panel--heading { text-style: bold underline; }
        & .stream-panel--mark { color: $text-muted; }
    }
    """

    def __init__(self, title: str, markdown: bool = False, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = Content(title)
        self.markdown = markdown
        self.hint = ""
        self._text = WrappedText(80)
        self._laid_out: list[Line] | None = None  # the answer as Markdown, once it is finished
        self._finished = True
        # whether the panel follows the end; stored, since a resize moves the end away from the visible part
        self._following = True
        self._held = ""  # a carriage return at the end of a piece: it may be half of a line break
        self._round = 0  # grows with every change of text or width: a late rendering is discarded

    # -- what is shown --

    @property
    def text(self) -> str:
        """All the text that has arrived, made safe."""
        return self._text.text

    def show_hint(self, hint: str) -> None:
        """Show `hint` while there is no text."""
        if hint != self.hint:
            self.hint = hint
            if self._empty:
                self.refresh_lines(0, 2)

    def begin(self) -> None:
        self._round += 1
        self.refresh_lines(self.scroll_offset.y, max(2, len(self._lines) - self.scroll_offset.y))
        self._text = WrappedText(self._width)
        self._laid_out, self._finished, self._held = None, False, ""
        self._grow(0)
        self._move(False, 0)
        self._following = True

    def append(self, text: str) -> None:
        """Add foreign text. Only the last line is laid out again."""
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""
        text = safe_text(text[: len(text) - len(self._held)])
        if self._empty:
            text = text.lstrip("\n")
        if not text:
            return
        self._round += 1
        empty = self._empty
        first = self._text.append(text)
        count = len(self._text.lines)
        if count > self.virtual_size.height:
            following = self._following
            self._grow(count + max(1, self.size.height // JUMP) - 1)
            if following:
                self._to_end()
        self.refresh_lines(first, max(2, count - first) if empty else count - first)

    def finish(self) -> None:
        """No more text will arrive."""
        if self._held:
            self._held = ""
            self.append("␍")
        self._finished = True
        self._lay_out()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._following = new_value >= self.max_scroll_y - NEAR

    # -- inside --

    @property
    def _width(self) -> int:
        return max(1, self.scrollable_content_region.width - len(MARGIN))

    @property
    def _empty(self) -> bool:
        return self._text.lines == [""]

    @property
    def _lines(self) -> list[Line]:
        return [[(line, "")] for line in self._text.lines] if self._laid_out is None else self._laid_out

    def _grow(self, count: int) -> None:
        """Set the number of rows. Not through the reactive attribute, which lays out the whole screen again and paints
        the panel twice."""
        self.set_reactive(ScrollView.virtual_size, Size(self._width, count))
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.window_virtual_size = count

    def _to_end(self) -> None:
        self._move(True, 0)

    def _move(self, following: bool, top: int) -> None:
        self.scroll_to(y=self.max_scroll_y if following else min(top, self.max_scroll_y), animate=False)
        self._following = following

    def _lay_out(self) -> None:
        """Render a finished answer in a thread: a long one takes a while, and keys must not wait."""
        text = self.text.rstrip()
        if self.markdown and self._finished and text and len(text) <= MARKDOWN_LIMIT:
            self.run_worker(self._render_markdown(text, self._round), exclusive=True, group="markdown")

    async def _render_markdown(self, text: str, drawn_in: int) -> None:
        lines = await asyncio.to_thread(markdown_lines, text, self._width)
        if drawn_in != self._round:
            return
        following, top = self._following, self.scroll_offset.y
        self._laid_out = lines
        self._grow(len(lines))
        self._move(following, top)
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        if self._width != self._text.width:
            following, share = self._following, self.scroll_offset.y / max(1, self.virtual_size.height)
            self._round += 1
            self._text.rewrap(self._width)
            self._laid_out = None
            count = 0 if self._empty else len(self._text.lines)
            self._grow(count)
            self._move(following, round(share * count))
            self._lay_out()
            self.refresh()
        elif self._following:
            self._to_end()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    # -- drawing --

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if self._empty:
            hint = WrappedText(self._width)
            hint.append(self.hint)
            line: Line = [(hint.lines[y] if y < len(hint.lines) else "", "hint")]
            return self._strip(line, None, base)
        row = self.scroll_offset.y + y
        return self._strip(self._line(row) or [], row, base)

    def _strip(self, line: Line, row: int | None, base: Style) -> Strip:
        """A row of the full width; text of one style is one segment."""
        width = self.scrollable_content_region.width
        blank = width - len(MARGIN) - sum(cell_len(text) for text, _ in line)
        line = [(MARGIN, ""), *line, (" " * blank, "")]
        joined: Line = []
        for text, kind in line:
            if joined and joined[-1][1] == kind:
                joined[-1] = (joined[-1][0] + text, kind)
            else:
                joined.append((text, kind))
        strip = Strip(self._segments(joined, row, base)).adjust_cell_length(width, base)
        return strip if row is None else strip.apply_offsets(-len(MARGIN), row)

    def _line(self, row: int) -> Line | None:
        if self._laid_out is not None:
            return self._laid_out[row] if row < len(self._laid_out) else None
        return [(self._text.lines[row], "")] if row < len(self._text.lines) else None

    def _segments(self, line: Line, row: int | None, base: Style) -> list[Segment]:
        segments = [Segment(text, self._style(kind, base)) for text, kind in line]
        selection = self.text_selection
        span = selection.get_span(row) if selection is not None and row is not None else None
        if span is None:
            return segments
        length = sum(len(text) for text, _ in line)
        start, end = span[0] + len(MARGIN), length if span[1] == -1 else span[1] + len(MARGIN)
        selection_style = self.screen.get_component_rich_style("screen--selection")
        return highlight_selected(segments, start, end, base, selection_style)

    def _style(self, kind: Kind, base: Style) -> Style:
        return self.get_component_rich_style(f"stream-panel--{kind}") if kind else base

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text without the line breaks of wrapping; Markdown's layout keeps its own."""
        lines = ["".join(text for text, _ in line) for line in self._lines]
        if self._laid_out is not None:
            return selection.extract("\n".join(lines)), "\n"
        start, end = selection.start, selection.end
        last = len(lines) - 1
        first = (min(start.y, last), max(0, start.x)) if start is not None else (0, 0)
        until = (min(end.y, last), max(0, end.x)) if end is not None else (last, len(lines[last]))
        return self._text.cut_from(first, until), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()
