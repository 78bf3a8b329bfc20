"""A list to choose from, of any length, which asks for its visible lines and stores none.

Knows nothing of what its lines mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.base.safe_text import safe_line
from tui.actions import key_bindings

ChoiceText = tuple[str, str]  # safe text, and one of the roles below
ChoiceLine = Sequence[ChoiceText]
MUTED, STRONG, MARK, GOOD, WARN, BAD, HEADING, THOUGHT = (
    "muted",
    "strong",
    "mark",
    "good",
    "warn",
    "bad",
    "heading",
    "thought",
)
_ROLES = (MUTED, STRONG, MARK, GOOD, WARN, BAD, HEADING, THOUGHT)
POINTER, BLANK = "▸ ", "  "  # before each line: the cursor is visible without colours too


class Choices(ScrollView, can_focus=True, inherit_bindings=False):
    """`cursor` is the index of a line, -1 while there is none. Lines that cannot be chosen (headings) are skipped.

    typing: printable keys, Backspace and Left are posted to the dialog, which edits a text with them.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"choices--{role}" for role in _ROLES),
        "choices--cursor",
        "choices--cursor-blurred",
    }
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("list")
    DEFAULT_CSS = """
    Choices {
        width: 1fr; height: auto; background: $surface; color: $foreground;
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
        & > .choices--muted { color: $text-muted; }
        & > .choices--strong { text-style: bold; }
        & > .choices--mark { color: $accent; text-style: bold; }
        & > .choices--good { color: $success; }
        & > .choices--warn { color: $warning; }
        & > .choices--bad { color: $error; text-style: bold; }
        & > .choices--heading { color: $primary; text-style: bold; }
        & > .choices--thought { color: $reasoning; }
        & > .choices--cursor {
            color: $block-cursor-foreground; background: $block-cursor-background; text-style: bold;
        }
        & > .choices--cursor-blurred {
            color: $block-cursor-blurred-foreground; background: $block-cursor-blurred-background;
        }
    }
    """

    class Chosen(Message):
        """The line `index` was chosen, by key or by a double click."""

        def __init__(self, choices: Choices, index: int) -> None:
            super().__init__()
            self.choices, self.index = choices, index

        @property
        def control(self) -> Choices:
            return self.choices

    class Moved(Message):
        """The cursor has moved to another line."""

        def __init__(self, choices: Choices, index: int) -> None:
            super().__init__()
            self.choices, self.index = choices, index

        @property
        def control(self) -> Choices:
            return self.choices

    class Above(Message):
        """The user tried to go up from the first line."""

    class Typed(Message):
        """A key for the text of the dialog: a character, `backspace` or `left`."""

        def __init__(self, key: str, character: str) -> None:
            super().__init__()
            self.key, self.character = key, character

    def __init__(self, *, id: str | None = None, typing: bool = False) -> None:
        super().__init__(id=id)
        self.count = 0
        self.cursor = -1
        self._typing = typing
        self._draw: Callable[[int, int], ChoiceLine] = lambda index, width: ()
        self._pickable: Callable[[int], bool] = lambda index: True

    # -- what is shown --

    def show(
        self,
        count: int,
        draw: Callable[[int, int], ChoiceLine],
        cursor: int = 0,
        pickable: Callable[[int], bool] | None = None,
    ) -> None:
        """Show `count` lines.

        draw(index, width) returns a line in `width` cells; pickable(index): whether the cursor may be on it; cursor:
        its line, or the next line below that it may be on; -1 for none yet.
        """
        self.count, self._draw, self._pickable = count, draw, pickable or (lambda index: True)
        before, self.cursor = self.cursor, self._near(min(cursor, count - 1), 1) if cursor >= 0 else -1
        self.virtual_size = Size(0, count)
        if self.styles.is_auto_height:
            self.refresh(layout=True)
        self.refresh()
        self._keep_in_sight()
        if self.cursor != before:
            self.post_message(self.Moved(self, self.cursor))

    def _near(self, index: int, step: int) -> int:
        """The line at `index`, or the nearest one that can be chosen, first in the direction of `step`; -1 where there
        is none."""
        for positions in (
            range(max(index, 0), self.count if step > 0 else -1, step),
            range(index, -1 if step > 0 else self.count, -step),
        ):
            for position in positions:
                if 0 <= position < self.count and self._pickable(position):
                    return position
        return -1

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, self.count)

    # -- moving --

    def move_to(self, index: int, step: int = 1) -> None:
        position = self._near(min(max(index, 0), self.count - 1), step)
        if position == self.cursor or position < 0:
            return
        before, self.cursor = self.cursor, position
        for line in (before, position):
            self._refresh_row(line)
        self._keep_in_sight()
        self.post_message(self.Moved(self, position))

    def redraw(self, index: int) -> None:
        """Draw the line at `index` again: it has changed."""
        self._refresh_row(index)

    def _refresh_row(self, index: int) -> None:
        if 0 <= index < self.count:
            self.refresh_line(index - self.scroll_offset.y)

    def action_move(self, by: int) -> None:
        if by < 0 and not any(self._pickable(position) for position in range(max(0, self.cursor))):
            self.scroll_to(y=0, animate=False, force=True)
            self.post_message(self.Above())
        else:
            self.move_to(self.cursor + by, by)

    def action_page(self, by: int) -> None:
        self.move_to(self.cursor + by * max(1, self.size.height - 1), by)

    def action_end(self, side: int) -> None:
        self.move_to(0 if side < 0 else self.count - 1, -side)

    def action_choose(self) -> None:
        if self.cursor >= 0:
            self.post_message(self.Chosen(self, self.cursor))

    def _keep_in_sight(self) -> None:
        """Scroll when the cursor is out of sight: to the middle after a jump, else as little as possible."""
        top, lines = self.scroll_offset.y, self.size.height
        if not lines:
            return  # it has no size yet
        if self.cursor < 0 or (
            self.cursor < lines and not any(self._pickable(position) for position in range(self.cursor))
        ):
            self.scroll_to(y=0, animate=False, force=True)  # with the heading above the first line
        elif self.cursor < top or self.cursor >= top + lines:
            if not top - 2 <= self.cursor < top + lines + 2:
                top = self.cursor - lines // 2
            elif self.cursor < top:
                top = self.cursor
            else:
                top = self.cursor - lines + 1
            self.scroll_to(y=max(0, top), animate=False, force=True)

    def on_resize(self, event: events.Resize) -> None:
        self._keep_in_sight()

    def on_focus(self) -> None:
        if self.cursor < 0:
            self.move_to(0)

    def on_key(self, event: events.Key) -> None:
        if self._typing and (event.is_printable or event.key in ("backspace", "left")):
            event.stop()
            event.prevent_default()
            self.post_message(self.Typed(event.key, event.character or ""))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        index = self.scroll_offset.y + offset.y
        if 0 <= index < self.count and self._pickable(index):
            self.move_to(index)
            if event.chain == 2:
                self.action_choose()

    # -- drawing --

    def render_line(self, y: int) -> Strip:
        width, base = self.scrollable_content_region.width, self.rich_style
        index = self.scroll_offset.y + y
        if index >= self.count:
            return Strip.blank(width, base)
        has_cursor = index == self.cursor
        if has_cursor:
            base += self.get_component_rich_style(
                "choices--cursor" if self.has_focus else "choices--cursor-blurred", partial=True
            )
        segments = [Segment(POINTER if has_cursor else BLANK, base)]
        segments += [Segment(text, self._style(role, base, has_cursor)) for text, role in self._draw(index, width - 2)]
        return Strip(segments).adjust_cell_length(width, base)

    def _style(self, role: str, base: Style, has_cursor: bool) -> Style:
        return (
            base if has_cursor or not role else base + self.get_component_rich_style(f"choices--{role}", partial=True)
        )


def fit_end(text: str, width: int) -> str:
    """Like `fit_to_width`, but keeps the end, which distinguishes one path from another."""
    line = safe_line(text, 4000)
    if cell_len(line) <= width:
        return set_cell_size(line, max(0, width))
    while line and cell_len(line) > width - 1:
        line = line[max(1, (cell_len(line) - width + 1) // 2) :]
    return set_cell_size("…" + line, max(0, width))


def share_bar(share: float, width: int) -> str:
    """A bar of `width` cells, filled by `share`, 0 to 1; any share above 0 shows."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    full, rest = divmod(eighths, 8)
    return ("█" * full + " ▏▎▍▌▋▊▉"[rest].strip()).ljust(width)[:width]
