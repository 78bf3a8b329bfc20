"""One complete row: its fields under headings, wrapped, with a cursor on one of them.

Fields fold, and one can be shown alone. Only lines in sight are drawn. Long fields are wrapped in the background, so a
field of a megabyte delays no key, and the lines in sight do not move meanwhile. What the lines are, `PaneLines` knows.
"""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from core.base.row import FIELDS, Row
from tui.common.selected_segments import highlight_selected
from tui.data.row_fields import field_text, row_fields
from tui.data.widgets.field_headings import Piece
from tui.data.widgets.pane_lines import LABEL_FIELDS, FieldSection, PaneLines
from tui.data.widgets.search_matches import SearchMatches

WRAP_SLICE = 0.004  # seconds of wrapping until keys are handled again
PLACE_EVERY = 0.1  # seconds until the lines wrapped meanwhile are shown
WRAP_STEP = 2_000  # characters wrapped at a time
MARGIN = 1  # cells left and right; drawn with the text and not as the widget's padding, which would be painted apart

FILL_STYLES = ("cursor", "reasoning", "output", "dim")  # styles that blanks beside the text take too


class RowPane(ScrollView, can_focus=True, inherit_bindings=False):
    """Text can be selected with the mouse. The selection is what is seen: control characters are copied as pictures."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"pane--{name}" for name in ("heading", "cursor", "dim", "reasoning", "output", "match", "mark")
    }
    DEFAULT_CSS = """
    RowPane {
        background: $surface; color: $foreground; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1;
        & > .pane--heading { color: $primary; text-style: bold; }
        & > .pane--cursor { color: $block-cursor-foreground; background: $block-cursor-background; text-style: bold; }
        & > .pane--dim { color: $text-muted; }
        & > .pane--reasoning { color: $reasoning; }
        & > .pane--output { color: $response; }
        & > .pane--match { color: $warning; text-style: bold underline; }
        & > .pane--mark { color: $warning; text-style: bold; }
    }
    """

    class FieldClicked(Message):
        """A heading was clicked, and the cursor has moved to it."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines = PaneLines()
        self._placed_at = 0.0
        self._drawn: list[list[Piece]] = []  # the lines in sight as they were painted last, from line `_drawn_at` on
        self._drawn_at = 0
        self._resizing = False  # the pane is about to get the size it has with one field alone

    # -- what is shown --

    @property
    def row(self) -> Row | None:
        """The row that is shown."""
        return self._lines.row

    @property
    def field(self) -> str:
        """The field the cursor is on."""
        return self._lines.field

    @property
    def alone(self) -> bool:
        """Whether only that field is shown."""
        return self._lines.alone

    @property
    def text(self) -> str:
        """The field the cursor is on, as it is shown: foreign text."""
        return field_text(self.row, self.field) if self.row is not None else ""

    @property
    def content(self) -> str:
        """All lines laid out so far, as they are drawn."""
        return self._lines.content

    def show(self, row: Row | None, before: Row | None = None, added: bool = False) -> None:
        """Show a row from the field the cursor is on. before: the row as in the source, where it was changed; added: it
        is not in the source. Showing the same row again changes nothing."""
        lines = self._lines
        if (row, before, added) == (lines.row, lines.before, lines.added):
            return
        stays = row is not None and lines.row is not None and row.index == lines.row.index
        lines.row, lines.before, lines.added = row, before, added
        lines.tokens, lines.match_counts = {}, {}
        if row is not None and not lines.alone and lines.field not in row_fields(row):
            lines.field = FIELDS[0]  # this row has no such context
        top = self.scroll_offset.y
        self._lay_out()
        self._move(top if stays else self._top_of_field())

    def highlight(self, matches: SearchMatches) -> None:
        """Highlight what is searched for."""
        lines = self._lines
        if matches != lines.matches:
            lines.matches, lines.match_counts, self._drawn = matches, {}, []
            self.refresh()

    def show_counts(self, row: Row, tokens: dict[str, int], match_counts: dict[str, int]) -> None:
        """Show, by field, the tokens (where they could be counted) and the matches. Ignored for a row not shown now."""
        if row == self.row:
            self._lines.tokens, self._lines.match_counts = tokens, match_counts
            self._repaint()

    def go_to_field(self, field: str) -> None:
        """Put the cursor on a field and bring it in sight."""
        before, self._lines.field = self.field, field
        if self.alone:
            self._lay_out()
            self._move(self._top_of_field())
        elif field != before:
            self._repaint()
            self._bring_in_sight()

    def field_by(self, by: int) -> None:
        """Go to the next field that the row has (by 1) or the one before (by -1)."""
        fields = row_fields(self.row)
        if self.field in fields:
            self.go_to_field(fields[(fields.index(self.field) + by) % len(fields)])
        else:  # shown alone, from a row that has it
            self.go_to_field(fields[0 if by > 0 else -1])

    def toggle_fold(self) -> bool:
        """Fold the field or unfold it. Returns False for one that cannot be folded."""
        if self.field in LABEL_FIELDS or self.alone:
            return False
        self._lines.folded ^= {self.field}
        self._place_fields()
        self._bring_in_sight()
        return True

    def show_alone(self, alone: bool) -> None:
        """Show only the field the cursor is on, or all of them."""
        if alone != self.alone:
            self._lines.alone = self._resizing = alone
            if not alone and self.field not in row_fields(self.row):
                self._lines.field = FIELDS[0]
            self._lay_out()
            self._move(self._top_of_field())

    def page_by(self, pages: int) -> None:
        self.line_by(pages * max(1, self.size.height - 2))

    def line_by(self, lines: int) -> None:
        self._move(self.scroll_offset.y + lines)

    # -- layout --

    @property
    def _width(self) -> int:
        return max(1, self.scrollable_content_region.width - 2 * MARGIN)

    def _lay_out(self) -> None:
        """Wrap the beginning of each field now, and the rest in the background."""
        self.workers.cancel_group(self, "wrap")
        self._lines.lay_out(self._width, bool(self.size.width))
        self._place_fields()
        sections = self._lines.sections
        if any(not section.lines.is_done for section in sections):
            self.run_worker(self._wrap_rest(sections), group="wrap", exclusive=True)

    async def _wrap_rest(self, sections: list[FieldSection]) -> None:
        for section in sorted(sections, key=lambda section: section.column != self.field):
            while not section.lines.is_done:
                until = time.perf_counter() + WRAP_SLICE
                while not section.lines.is_done and time.perf_counter() < until:
                    section.lines.wrap_more(WRAP_STEP)
                if time.monotonic() - self._placed_at >= PLACE_EVERY:
                    self._place_fields()
                await asyncio.sleep(0)
        self._place_fields()

    def _place_fields(self) -> None:
        """Give every field its lines of the pane; the lines in sight do not move."""
        lines = self._lines
        top, before = self.scroll_offset.y, lines.height
        target = lines.place_fields(top)
        self._placed_at = time.monotonic()
        if lines.height != before:
            # setting the attribute itself would lay out the whole screen again
            self.set_reactive(ScrollView.virtual_size, Size(self._width, lines.height))
            if self.show_vertical_scrollbar:
                # the same for all rows that fit: nothing to paint
                self.vertical_scrollbar.window_virtual_size = max(lines.height, self.size.height)
        if target != top:
            self._move(target)
        self._repaint()

    def _move(self, top: int) -> None:
        self.scroll_to(y=min(max(0, top), self.max_scroll_y), animate=False, force=True, immediate=True)

    def _repaint(self) -> None:
        """Repaint only lines that have changed: over SSH the blank half of a pane would cost as much as its text."""
        top, height = self.scroll_offset.y, self.size.height
        lines = [self._lines.line(top + y) if top + y < self._lines.height else [] for y in range(height)]
        if top != self._drawn_at or len(self._drawn) != height:
            self.refresh()
        elif changed := [y for y in range(height) if lines[y] != self._drawn[y]]:
            width = self.scrollable_content_region.width  # without the scrollbar beside it
            self.refresh(*(Region(0, y, width, 1) for y in changed))
        self._drawn, self._drawn_at = lines, top

    def _top_of_field(self) -> int:
        return self._lines.top_of_field(self.size.height)

    def _bring_in_sight(self) -> None:
        section = self._lines.section_of_field()
        if section is None or section is self._lines.sections[0]:
            self._move(0)
            return
        top = self.scroll_offset.y
        height = section.height(section.column in self._lines.folded, False)
        last = section.start + min(3, height) - 1
        if section.start < top or last >= top + self.size.height:
            self._move(section.start)

    def on_resize(self, event: events.Resize) -> None:
        if self.row is not None and not self._lines.fits(self._width):
            share = self.scroll_offset.y / max(1, self._lines.height)
            self._lay_out()
            self._move(self._top_of_field() if self._resizing else round(share * self._lines.height))
        self._resizing = False

    # -- drawing --

    def render_line(self, y: int) -> Strip:
        base, row, width = self.rich_style, self.scroll_offset.y + y, self.scrollable_content_region.width
        line = self._lines.line(row) if row < self._lines.height else []
        # blanks take the style of the text beside them, so that a line of one style is sent as one piece
        styles = [style if style in FILL_STYLES else "" for _, style in line] or [""]
        fill = self._style(styles[-1], base)
        segments = [Segment(" " * MARGIN, self._style(styles[0], base)), *self._segments(line, row, base)]
        return Strip(segments).adjust_cell_length(width, fill).simplify().apply_offsets(-MARGIN, row)

    def _segments(self, line: list[Piece], row: int, base: Style) -> list[Segment]:
        segments = [Segment(text, self._style(style, base)) for text, style in line if text]
        selection = self.text_selection
        span = selection.get_span(row) if selection is not None else None
        if span is None:
            return segments
        start, end = span[0], span[1] if span[1] != -1 else sum(len(text) for text, _ in line)
        selection_style = self.screen.get_component_rich_style("screen--selection")
        return highlight_selected(segments, start, end, base, selection_style)

    def _style(self, name: str, base: Style) -> Style:
        return base + self.get_component_rich_style(f"pane--{name}", partial=True) if name else base

    # -- the mouse --

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        line = self.scroll_offset.y + offset.y if offset is not None else -1
        section = next((section for section in self._lines.sections if section.start == line), None)
        if section is not None and not self.alone:
            self.go_to_field(section.column)
            self.post_message(self.FieldClicked())

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, without the line breaks that wrapping made."""
        last = self._lines.height - 1
        first, left = 0, 0
        if selection.start is not None:
            first, left = min(selection.start.y, last), max(0, selection.start.x)
        end: int = last
        right: int | None = None
        if selection.end is not None:
            end, right = min(selection.end.y, last), max(0, selection.end.x)
        parts = []
        for row in range(first, end + 1):
            text = "".join(piece for piece, _ in self._lines.line(row))
            text = text[left if row == first else 0 : right if row == end else None]
            parts.append(text + ("" if row == end or self._lines.goes_on(row) else "\n"))
        return "".join(parts), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()
