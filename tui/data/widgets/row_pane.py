"""One complete row: its fields under headings, wrapped, with a cursor on one of them.

Fields fold, and one can be shown alone. Only lines in sight are drawn. Long fields are wrapped in the background, so a
field of a megabyte delays no key, and the lines in sight do not move meanwhile. Knows no files: the caller also passes
the row as it was before its changes, and the counts of its tokens.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from core.base.row import COLUMNS, Row
from core.base.safe_text import safe_line
from tui.common.selected_segments import highlight_selected
from tui.data.widgets.field_headings import Piece, cut_pieces, heading_pieces
from tui.data.widgets.field_lines import FieldLines
from tui.data.widgets.search_matches import NO_MATCHES, SearchMatches

TEXT_FIELDS = ("instruction", "input", "reasoning", "output")  # shown with their lines
LABEL_FIELDS = ("syslang", "sysflag")  # shown in the first line
WRAP_SLICE = 0.004  # seconds of wrapping until keys are handled again
PLACE_EVERY = 0.1  # seconds until the lines wrapped meanwhile are shown
WRAP_STEP = 2_000  # characters wrapped at a time
MARGIN = 1  # cells left and right; drawn with the text and not as the widget's padding, which would be painted apart

FILL_STYLES = ("cursor", "reasoning", "output", "dim")  # styles that blanks beside the text take too


@dataclass
class FieldSection:
    """The part of the pane that shows one field."""

    column: str
    """The field."""
    text: str
    """As in the row, foreign."""
    lines: FieldLines
    """The text, wrapped."""
    start: int = 0
    """The line of the pane with its heading."""

    def height(self, folded: bool, alone: bool) -> int:
        """Lines of the pane; no heading where the field is shown alone."""
        body = len(self.lines.lines) if self.text and not folded else 0
        return body + (0 if alone else 1)


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
        self.row: Row | None = None
        """The row that is shown."""
        self.field = "instruction"
        """The field the cursor is on."""
        self.alone = False
        """Whether only that field is shown."""
        self.folded: set[str] = set()
        """Fields that show only their heading, in every row."""
        self._before: Row | None = None
        self._added = False
        self._tokens: dict[str, int] = {}
        self._match_counts: dict[str, int] = {}
        self._matches = NO_MATCHES
        self._sections: list[FieldSection] = []
        self._height = 1
        self._placed_at = 0.0
        self._drawn: list[list[Piece]] = []  # the lines in sight as they were painted last, from line `_drawn_at` on
        self._drawn_at = 0
        self._resizing = False  # the pane is about to get the size it has with one field alone

    # -- what is shown --

    def show(self, row: Row | None, before: Row | None = None, added: bool = False) -> None:
        """Show a row from the field the cursor is on. before: the row as in the source, where it was changed; added: it
        is not in the source. Showing the same row again changes nothing."""
        if (row, before, added) == (self.row, self._before, self._added):
            return
        stays = row is not None and self.row is not None and row.index == self.row.index
        self.row, self._before, self._added = row, before, added
        self._tokens, self._match_counts = {}, {}
        top = self.scroll_offset.y
        self._lay_out()
        self._move(top if stays else self._top_of_field())

    def highlight(self, matches: SearchMatches) -> None:
        """Highlight what is searched for."""
        if matches != self._matches:
            self._matches, self._match_counts, self._drawn = matches, {}, []
            self.refresh()

    def show_counts(self, row: Row, tokens: dict[str, int], match_counts: dict[str, int]) -> None:
        """Show, by field, the tokens (where they could be counted) and the matches. Ignored for a row not shown now."""
        if row == self.row:
            self._tokens, self._match_counts = tokens, match_counts
            self._repaint()

    def go_to_field(self, field: str) -> None:
        """Put the cursor on a field and bring it in sight."""
        before, self.field = self.field, field
        if self.alone:
            self._lay_out()
            self._move(self._top_of_field())
        elif field != before:
            self._repaint()
            self._bring_in_sight()

    def field_by(self, by: int) -> None:
        self.go_to_field(COLUMNS[(COLUMNS.index(self.field) + by) % len(COLUMNS)])

    def toggle_fold(self) -> bool:
        """Fold the field or unfold it. Returns False for one that cannot be folded."""
        if self.field in LABEL_FIELDS or self.alone:
            return False
        self.folded ^= {self.field}
        self._place_fields()
        self._bring_in_sight()
        return True

    def show_alone(self, alone: bool) -> None:
        """Show only the field the cursor is on, or all of them."""
        if alone != self.alone:
            self.alone = self._resizing = alone
            self._lay_out()
            self._move(self._top_of_field())

    def page_by(self, pages: int) -> None:
        self.line_by(pages * max(1, self.size.height - 2))

    def line_by(self, lines: int) -> None:
        self._move(self.scroll_offset.y + lines)

    @property
    def text(self) -> str:
        """The field the cursor is on, as in the row: foreign text."""
        return getattr(self.row, self.field) if self.row is not None else ""

    @property
    def content(self) -> str:
        """All lines laid out so far, as they are drawn."""
        return "\n".join("".join(text for text, _ in self._line(y)).rstrip() for y in range(self._height))

    # -- layout --

    @property
    def _width(self) -> int:
        return max(1, self.scrollable_content_region.width - 2 * MARGIN)

    def _lay_out(self) -> None:
        """Wrap the beginning of each field now, and the rest in the background."""
        self.workers.cancel_group(self, "wrap")
        row, width = self.row, self._width
        columns: tuple[str, ...] = (self.field,) if self.alone else TEXT_FIELDS
        if row is None or not self.size.width:
            columns = ()
        self._sections = [
            FieldSection(column, getattr(row, column), FieldLines(getattr(row, column), width)) for column in columns
        ]
        self._place_fields()
        if any(not section.lines.is_done for section in self._sections):
            self.run_worker(self._wrap_rest(self._sections), group="wrap", exclusive=True)

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
        """Assign every field its lines of the pane. The lines in sight do not move, even if lines above them grew."""
        top, before = self.scroll_offset.y, self._height
        first_seen = next((section for section in reversed(self._sections) if section.start <= top), None)
        offset = top - first_seen.start if first_seen is not None else top
        height = 1
        for section in self._sections:
            section.start = height
            height += section.height(section.column in self.folded, self.alone)
        self._height = height
        self._placed_at = time.monotonic()
        if height != before:
            # setting the attribute itself would lay out the whole screen again
            self.set_reactive(ScrollView.virtual_size, Size(self._width, height))
            if self.show_vertical_scrollbar:
                # the same for all rows that fit: nothing to paint
                self.vertical_scrollbar.window_virtual_size = max(height, self.size.height)
        if first_seen is not None and first_seen.start + offset != top and first_seen.start > 1:
            self._move(first_seen.start + offset)
        self._repaint()

    def _move(self, top: int) -> None:
        self.scroll_to(y=min(max(0, top), self.max_scroll_y), animate=False, force=True, immediate=True)

    def _repaint(self) -> None:
        """Repaint only lines that have changed: over SSH the blank half of a pane would cost as much as its text."""
        top, height = self.scroll_offset.y, self.size.height
        lines = [self._line(top + y) if top + y < self._height else [] for y in range(height)]
        if top != self._drawn_at or len(self._drawn) != height:
            self.refresh()
        elif changed := [y for y in range(height) if lines[y] != self._drawn[y]]:
            width = self.scrollable_content_region.width  # without the scrollbar beside it
            self.refresh(*(Region(0, y, width, 1) for y in changed))
        self._drawn, self._drawn_at = lines, top

    def _top_of_field(self) -> int:
        """The line to scroll to: the first match if the field is shown alone, else its heading, or the first line."""
        section = next((section for section in self._sections if section.column == self.field), None)
        if section is None:
            return 0
        if self.alone:
            line = section.lines.first_match_line(self._matches.in_columns(self.field))
            return line if line is not None and line > self.size.height // 2 else 0
        return section.start if section is not self._sections[0] else 0

    def _bring_in_sight(self) -> None:
        section = next((section for section in self._sections if section.column == self.field), None)
        if section is None or section is self._sections[0]:
            self._move(0)
            return
        top = self.scroll_offset.y
        height = section.height(section.column in self.folded, False)
        last = section.start + min(3, height) - 1
        if section.start < top or last >= top + self.size.height:
            self._move(section.start)

    def on_resize(self, event: events.Resize) -> None:
        if self.row is not None and (
            not self._sections or any(section.lines.width != self._width for section in self._sections)
        ):
            share = self.scroll_offset.y / max(1, self._height)
            self._lay_out()
            self._move(self._top_of_field() if self._resizing else round(share * self._height))
        self._resizing = False

    # -- drawing --

    def render_line(self, y: int) -> Strip:
        base, row, width = self.rich_style, self.scroll_offset.y + y, self.scrollable_content_region.width
        line = self._line(row) if row < self._height else []
        # blanks take the style of the text beside them, so that a line of one style is sent as one piece
        styles = [style if style in FILL_STYLES else "" for _, style in line] or [""]
        fill = self._style(styles[-1], base)
        segments = [Segment(" " * MARGIN, self._style(styles[0], base)), *self._segments(line, row, base)]
        return Strip(segments).adjust_cell_length(width, fill).simplify().apply_offsets(-MARGIN, row)

    def _line(self, row: int) -> list[Piece]:
        """The pieces of a line of the pane."""
        if self.row is None:
            return [("This row is loading …", "dim")] if row == 0 else []
        if row == 0:
            return self._first_line(self.row)
        section = next((section for section in reversed(self._sections) if section.start <= row), None)
        if section is None:
            return []
        line_index = row - section.start - (0 if self.alone else 1)
        if line_index < 0:
            return self._heading(section)
        return self._body(section.column, section.lines, line_index)

    def _first_line(self, row: Row) -> list[Piece]:
        if self.alone:
            return [(f"row {row.index} ", "heading"), (" ", ""), *self._heading_of(self.field, self.text, alone=True)]
        pieces: list[Piece] = [(f"row {row.index}", "heading")]
        is_wide = self._width >= 60
        mark = ""
        if self._added:
            mark = " + added" if is_wide else " +"
        elif self._before is not None:
            mark = " ● changed" if is_wide else " ●"
        pieces.append((mark, "mark"))
        for label in LABEL_FIELDS:
            has_cursor, value = label == self.field, safe_line(getattr(row, label), 40)
            style = "cursor" if has_cursor else ""
            pieces += [
                ("  ", ""),
                (f"{'> ' if has_cursor else ''}{label} ", style or "dim"),
                (value or "(empty)", style or ("" if value else "dim")),
            ]
            pieces += [("●", "mark")] if self._differs(label) else []
        return cut_pieces([*pieces, (" ", "")], self._width)

    def _heading(self, section: FieldSection) -> list[Piece]:
        return self._heading_of(section.column, section.text, alone=False)

    def _heading_of(self, column: str, text: str, alone: bool) -> list[Piece]:
        return heading_pieces(
            column,
            text,
            self._width,
            has_cursor=column == self.field and not alone,
            alone=alone,
            folded=column in self.folded,
            differs=self._differs(column),
            tokens=self._tokens.get(column),
            matches=self._match_counts.get(column, 0),
        )

    def _body(self, column: str, lines: FieldLines, index: int) -> list[Piece]:
        line = lines.lines[index]
        plain = column if column in ("reasoning", "output") else ""
        pieces: list[Piece] = []
        done = 0
        for start, end in lines.spans(index, self._matches.in_columns(column)):
            pieces += [(line[done:start], plain), (line[start:end], "match")]
            done = end
        rest = line[done:]
        blank = (
            len(rest) - len(rest.rstrip(" ")) if lines.is_hard(index) else 0
        )  # made visible, since the model is trained on it
        return [*pieces, (rest[: len(rest) - blank], plain), *([("·" * blank, "dim")] if blank else [])]

    def _differs(self, column: str) -> bool:
        return (
            self.row is not None
            and self._before is not None
            and getattr(self.row, column) != getattr(self._before, column)
        )

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
        section = next(
            (section for section in self._sections if offset and section.start == self.scroll_offset.y + offset.y), None
        )
        if section is not None and not self.alone:
            self.go_to_field(section.column)
            self.post_message(self.FieldClicked())

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, without the line breaks that wrapping made."""
        last = self._height - 1
        first, left = 0, 0
        if selection.start is not None:
            first, left = min(selection.start.y, last), max(0, selection.start.x)
        end: int = last
        right: int | None = None
        if selection.end is not None:
            end, right = min(selection.end.y, last), max(0, selection.end.x)
        parts = []
        for row in range(first, end + 1):
            text = "".join(piece for piece, _ in self._line(row))
            text = text[left if row == first else 0 : right if row == end else None]
            parts.append(text + ("" if row == end or self._goes_on(row) else "\n"))
        return "".join(parts), "\n"

    def _goes_on(self, row: int) -> bool:
        """Whether the row below continues the same line of the text."""
        section = next((section for section in reversed(self._sections) if section.start <= row), None)
        if section is None:
            return False
        index = row - section.start - (0 if self.alone else 1)
        return 0 <= index < len(section.lines.lines) - 1 and not section.lines.is_hard(index)

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()
