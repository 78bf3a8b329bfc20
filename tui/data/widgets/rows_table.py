"""The table of rows, which knows how many there are and keeps a few pages of them.

It asks for the pages it needs and never fetches. Moving the cursor repaints two lines; only scrolling repaints the
table.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.base.row import Row
from tui.common.fit_text import fit_to_width
from tui.data.row_pages import PAGE
from tui.data.widgets.column_widths import TableColumn, cell_text, lay_out_columns, measure_columns
from tui.data.widgets.search_matches import NO_MATCHES, SearchMatches, TextSpan

KEPT_PAGES = 24
EMPTY = "∅"  # in place of the reasoning where a row has none
CHANGED, ADDED = "●", "+"  # marks of rows that were edited, and of rows that are not in the source


def _unmarked(index: int) -> str:
    return " "


class RowsTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows by their position in the selection that is shown, from 0."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"rows--{name}" for name in ("header", "cursor", "cursor-blurred", "dim", "reasoning", "mark", "match")
    }
    DEFAULT_CSS = """
    RowsTable {
        background: $background; color: $foreground; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1;
        & > .rows--header { color: $text-muted; background: $surface; text-style: bold; }
        & > .rows--cursor { color: $block-cursor-foreground; background: $block-cursor-background; text-style: bold; }
        & > .rows--cursor-blurred {
            color: $block-cursor-blurred-foreground; background: $block-cursor-blurred-background;
        }
        & > .rows--dim { color: $text-muted; }
        & > .rows--reasoning { color: $reasoning; }
        & > .rows--mark { color: $warning; text-style: bold; }
        & > .rows--match { color: $warning; text-style: bold underline; }
    }
    """

    class PagesNeeded(Message):
        """Pages in sight are not loaded; `missing_pages` names them."""

    class Moved(Message):
        """The cursor is on another row, or the row under it has been loaded."""

        def __init__(self, position: int, row: Row | None, by_hand: bool) -> None:
            super().__init__()
            self.position = position
            """Of the cursor, in the selection."""
            self.row = row
            """None while it is loading."""
            self.by_hand = by_hand
            """Whether the user moved the cursor; else another selection is shown."""

    class Opened(Message):
        """A row was double-clicked."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.row_count = 0
        """Rows in the selection."""
        self.cursor = -1
        """Position of the cursor; -1 while there are no rows."""
        self._pages: OrderedDict[int, list[Row]] = OrderedDict()
        self._highest = 0  # the largest row number seen, for the width of the first column
        self._has_asked = False  # for the missing pages
        self._owes_move = False  # the user moved the cursor to a row that is not loaded yet
        self._lacks: frozenset[str] = frozenset()
        self._needs: dict[str, int] = {}  # cells that the values of each column need, from the first rows seen
        self._mark: Callable[[int], str] = _unmarked
        self._matches = NO_MATCHES
        self._sort, self._descending = "", False

    # -- what is shown --

    def begin(self, lacks: Collection[str]) -> None:
        """Begin another source. lacks: columns that it does not have and that are not shown; the widths of the others
        come from its first rows."""
        self._needs, self._matches = {}, NO_MATCHES
        self.leave_out(lacks)

    def leave_out(self, columns: Collection[str]) -> None:
        """Show all columns except these, as after an edit that gave the source a column."""
        self._lacks = frozenset(columns)
        self.refresh()

    def mark_rows(self, mark: Callable[[int], str]) -> None:
        """mark: how a row is marked, by its index: `CHANGED`, `ADDED` or a space."""
        self._mark = mark

    def highlight(self, matches: SearchMatches, sort: str, descending: bool) -> None:
        """Highlight what is searched for, and the column by which the rows are sorted."""
        if (matches, sort, descending) != (self._matches, self._sort, self._descending):
            self._matches, self._sort, self._descending = matches, sort, descending
            self.refresh()

    def show(self, count: int, cursor: int, pages: Mapping[int, list[Row]], highest: int) -> None:
        """Show another selection: `count` rows, the cursor on the position `cursor`. pages: rows by page number;
        highest: the largest index of a row."""
        self.row_count, self._highest = count, highest
        self.cursor = min(max(cursor, 0), count - 1)
        self._pages.clear()
        self._pages.update(pages)
        if pages:
            self._needs = self._needs or measure_columns(next(iter(pages.values())))
        self.virtual_size = Size(0, count + 1)
        self._keep_in_sight()
        self.refresh()
        self._tell(by_hand=False)

    def add_page(self, page: int, rows: list[Row]) -> None:
        """Add a page that was missing."""
        self._pages[page] = rows
        while len(self._pages) > KEPT_PAGES:
            self._pages.popitem(last=False)
        self.refresh()
        if self.cursor // PAGE == page:
            self._tell(by_hand=self._owes_move)

    def grow(self, count: int) -> None:
        """The selection has more rows at its end than were known."""
        if count != self.row_count:
            for page in [page for page, rows in self._pages.items() if len(rows) < PAGE]:
                del self._pages[page]
            before, self.row_count = self.row_count, count
            self.virtual_size = Size(0, count + 1)
            if before < self.scroll_offset.y + self._lines():
                self.refresh()

    def row_at(self, position: int) -> Row | None:
        """The row, or None while its page is loading."""
        rows = self._pages.get(position // PAGE)
        offset = position % PAGE
        return rows[offset] if rows is not None and 0 <= offset < len(rows) and position >= 0 else None

    def missing_pages(self) -> list[int]:
        """Numbers of the pages in sight, and of the cursor's page, that are not loaded."""
        self._has_asked = False
        if not self.row_count:
            return []
        top = min(self.scroll_offset.y, self.row_count - 1)
        bottom = min(top + self._lines() - 1, self.row_count - 1)
        visible = [self.cursor // PAGE, *range(top // PAGE, bottom // PAGE + 1)]
        return [page for page in dict.fromkeys(visible) if page not in self._pages]

    # -- moving --

    def move_to(self, position: int) -> None:
        """Put the cursor on the position, or the nearest one that exists, and bring it in sight."""
        position = min(max(position, 0), self.row_count - 1)
        if position == self.cursor:
            return
        before, self.cursor = self.cursor, position
        width = self.scrollable_content_region.width  # not the scrollbar beside them
        self.refresh(*(Region(0, line + 1 - self.scroll_offset.y, width, 1) for line in (before, position)))
        self._keep_in_sight()
        self._tell(by_hand=True)

    def move_by(self, rows: int) -> None:
        self.move_to(self.cursor + rows)

    def page_by(self, pages: int) -> None:
        self.move_to(self.cursor + pages * max(1, self._lines() - 1))

    def _lines(self) -> int:
        return max(1, self.size.height - 1)  # less the header

    def _keep_in_sight(self) -> None:
        """Scroll a cursor that is out of sight to the middle: a key held down then repaints the table once for half a
        screen of rows, not for every row."""
        if not self.size.height:  # not laid out yet: the first size brings it in sight
            return
        top, lines = self.scroll_offset.y, self._lines()
        if self.cursor < top or self.cursor >= top + lines:
            self.scroll_to(y=max(0, self.cursor - lines // 2), animate=False, force=True)

    def _tell(self, by_hand: bool) -> None:
        row = self.row_at(self.cursor)
        self._owes_move = by_hand and row is None
        if row is None and self.row_count:
            self._ask()
        self.post_message(self.Moved(self.cursor, row, by_hand))

    def _ask(self) -> None:
        if not self._has_asked:
            self._has_asked = True
            self.post_message(self.PagesNeeded())

    def on_resize(self, event: events.Resize) -> None:
        self._keep_in_sight()

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None and offset.y >= 1 and self.scroll_offset.y + offset.y - 1 < self.row_count:
            self.move_to(self.scroll_offset.y + offset.y - 1)
            if event.chain == 2:
                self.post_message(self.Opened())

    # -- drawing --

    def columns(self, width: int) -> list[TableColumn]:
        """The columns that fill `width` cells: one cell for a mark, then each with one cell after it."""
        return lay_out_columns(width, self._highest, self._needs, self._lacks)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        if y == 0:
            style = base + self.get_component_rich_style("rows--header", partial=True)
            text = " " + " ".join(self._title(column) for column in self.columns(width))
            return Strip([Segment(set_cell_size(text, width), style)], width)
        position = self.scroll_offset.y + y - 1
        if position >= self.row_count:
            return Strip([Segment(" " * width, base)], width)
        if position == self.cursor:
            base += self.get_component_rich_style(
                "rows--cursor" if self.has_focus else "rows--cursor-blurred", partial=True
            )
        row = self.row_at(position)
        if row is None:
            self._ask()
            return Strip([Segment(set_cell_size(f" {'…':>{max(3, len(str(self._highest)))}}", width), base)], width)
        return self._draw_row(row, width, base, plain=position == self.cursor).adjust_cell_length(width, base)

    def _title(self, column: TableColumn) -> str:
        arrow = "▼" if self._descending else "▲"
        if column.name == "#":
            return f"{arrow + '#' if self._sort == 'length' else '#':>{column.width}}"
        if self._sort in (column.name, f"length({column.name})"):
            length = "length of " if self._sort.startswith("length") else ""
            return fit_to_width(f"{arrow} {length}{column.title}", column.width)
        return fit_to_width(column.title, column.width)

    def _draw_row(self, row: Row, width: int, base: Style, plain: bool) -> Strip:
        dim = base if plain else base + self.get_component_rich_style("rows--dim", partial=True)
        reasoning_style = base if plain else base + self.get_component_rich_style("rows--reasoning", partial=True)
        mark = self._mark(row.index)
        segments = [
            Segment(mark, base + self.get_component_rich_style("rows--mark", partial=True) if mark != " " else base)
        ]
        for name, _, size in self.columns(width):
            if name == "#":
                segments.append(Segment(f"{row.index:>{size}} ", dim))
            elif name == "reasoning" and not row.reasoning:
                segments.append(Segment(fit_to_width(EMPTY, size) + " ", dim))
            else:
                searched = ("instruction", "input") if name == "instruction" else (name,)
                text, spans = self._matches.in_columns(*searched).cell(cell_text(row, name), size)
                style = reasoning_style if name == "reasoning" else base
                if name.startswith("sys"):
                    style = dim
                segments += self._highlighted(text + " ", spans, style)
        return Strip(segments).simplify()

    def _highlighted(self, text: str, spans: list[TextSpan], style: Style) -> list[Segment]:
        """`text` as segments, with its matches highlighted."""
        if not spans:
            return [Segment(text, style)]
        match_style = style + self.get_component_rich_style("rows--match", partial=True)
        parts, done = [], 0
        for start, end in spans:
            parts += [Segment(text[done:start], style), Segment(text[start:end], match_style)]
            done = end
        return [part for part in [*parts, Segment(text[done:], style)] if part.text]
