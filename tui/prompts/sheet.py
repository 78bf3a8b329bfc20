"""A scrolling sheet of many lines that makes only those in sight. Knows nothing of tokens or templates."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.prompts.sheet_lines import Role, SheetLines, WordLines

_ROLES: tuple[Role, ...] = (
    "prompt",
    "marker",
    "reasoning",
    "response",
    "end",
    "mark",
    "special",
    "heading",
    "muted",
    "warning",
)
_COMPARED = 3_000  # lines that are searched for a change


class Sheet(ScrollView, can_focus=True, inherit_bindings=False):
    """`show_lines` replaces the lines; the room scrolls it."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {*(f"sheet--{role}" for role in _ROLES)}
    DEFAULT_CSS = """
    Sheet {
        background: $background; color: $foreground; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1;
        & > .sheet--prompt { color: $foreground; }
        & > .sheet--marker { color: $accent; }
        & > .sheet--reasoning { color: $reasoning; }
        & > .sheet--response { color: $success; }
        & > .sheet--end { color: $warning; }
        & > .sheet--mark { color: $primary; }
        & > .sheet--special { color: $warning; text-style: bold; }
        & > .sheet--heading { color: $primary; text-style: bold; }
        & > .sheet--muted { color: $text-muted; }
        & > .sheet--warning { color: $warning; }
    }
    """

    class Resized(Message):
        """The sheet has a new width: its lines must be laid out again."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.width = width

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: SheetLines = WordLines("", 1)
        self._styles_by_role: dict[tuple[str, bool], Style] = {}
        self._width = 0

    def show_lines(self, lines: SheetLines, keep: bool = False) -> None:
        """keep: stay at the line that is at the top, else go to the first line."""
        top = self.scroll_offset.y if keep else 0
        self.lines = lines
        self.virtual_size = Size(self.width, len(lines))
        self.scroll_to(y=top, animate=False, force=True)
        self.refresh()

    def first_change(self, lines: SheetLines) -> int | None:
        """Index of the first line that differs from what is shown, among the first few thousand; None for none."""
        count = min(len(lines), len(self.lines))
        for index in range(min(count, _COMPARED)):
            if lines.pieces(index) != self.lines.pieces(index):
                return index
        return count if len(lines) != len(self.lines) and count < _COMPARED else None

    def bring_into_sight(self, index: int) -> None:
        top, lines = self.scroll_offset.y, self.size.height
        if not top <= index < top + lines - 1:
            self.scroll_to(y=max(0, index - lines // 3), animate=False, force=True)

    @property
    def width(self) -> int:
        """Cells of a line."""
        return max(1, self.scrollable_content_region.width)

    def on_resize(self) -> None:
        if self.size.width and self.width != self._width:
            self._width = self.width
            self.post_message(self.Resized(self._width))

    def lines_by(self, lines: int) -> None:
        self.scroll_relative(y=lines, animate=False)

    def pages_by(self, pages: int) -> None:
        self.scroll_relative(y=pages * max(1, self.size.height - 1), animate=False)

    def to_end(self, side: int) -> None:
        self.scroll_to(y=0 if side < 0 else self.max_scroll_y, animate=False)

    def render_line(self, y: int) -> Strip:
        width, base = self.width, self.rich_style
        index = self.scroll_offset.y + y
        if index >= len(self.lines):
            return Strip.blank(width, base)
        segments = [Segment(text, self._style(role, dim)) for text, role, dim in self.lines.pieces(index)]
        return Strip(segments, sum(cell_len(segment.text) for segment in segments)).adjust_cell_length(width, base)

    def notify_style_update(self) -> None:
        self._styles_by_role = {}
        super().notify_style_update()

    def _style(self, role: str, dim: bool) -> Style:
        if (role, dim) not in self._styles_by_role:
            style = self.get_component_rich_style(f"sheet--{role}")
            self._styles_by_role[role, dim] = style + Style(dim=True) if dim else style
        return self._styles_by_role[role, dim]
