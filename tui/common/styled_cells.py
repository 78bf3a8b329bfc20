"""Rows of styled cells; only cells that changed are sent to the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import split_graphemes
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

StyledText = tuple[str, str]  # safe text, and the name of a component class (empty: the widget's own style)
CellRow = Sequence[StyledText]
_Cell = tuple[str, str]  # one grapheme, or nothing for the second cell of a wide one; its component class


class CellLines(Widget):
    """Shows the rows passed to `show`. Longer rows are cut, missing ones are blank. Component classes set the colour of
    the text, not its background.

    Textual sends a changed span from the left edge of its widget on: rows that change far from there belong in several
    widgets side by side.
    """

    ROLES: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: list[list[_Cell]] = []
        self._styles_by_role: dict[str, Style] = {}

    def show(self, rows: Sequence[CellRow]) -> None:
        """Replace the rows; unchanged cells are not drawn again."""
        before, self._rows = self._rows, [_without_blank_roles(_cells(row)) for row in rows]
        changed = []
        for y in range(max(len(before), len(self._rows))):
            old = before[y] if y < len(before) else []
            new = self._rows[y] if y < len(self._rows) else []
            if span := _changed_span(old, new):
                changed.append(Region(span[0], y, span[1] - span[0], 1))
        offset = self.content_region.offset - self.region.offset
        if changed:
            self.refresh(*(region.translate(offset) for region in changed))

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        row = self._rows[y] if y < len(self._rows) else []
        segments: list[Segment] = []
        text, role = "", ""
        for grapheme, cell_role in [*row, ("", "\0")]:
            if cell_role != role:
                if text:
                    segments.append(Segment(text, self._style(role)))
                text, role = "", cell_role
            text += grapheme
        return Strip(segments, len(row)).adjust_cell_length(self.size.width, base)

    def notify_style_update(self) -> None:
        self._styles_by_role = {}
        super().notify_style_update()

    def _style(self, role: str) -> Style:
        if not role:
            return self.rich_style
        if role not in self._styles_by_role:
            self._styles_by_role[role] = self.get_component_rich_style(role)
        return self._styles_by_role[role]


def _cells(row: CellRow) -> list[_Cell]:
    cells: list[_Cell] = []
    for text, role in row:
        if text.isascii():
            cells += [(character, role) for character in text]
            continue
        for start, end, width in split_graphemes(text)[0]:
            if width:
                cells.append((text[start:end], role))
                cells += [("", role)] * (width - 1)
            elif cells:
                cells[-1] = (cells[-1][0] + text[start:end], cells[-1][1])
    return cells


def _without_blank_roles(cells: list[_Cell]) -> list[_Cell]:
    """The cells without blank ones at the end, each other blank one in the role before it: a role colours text only, so
    what a row looks like, and nothing that was drawn before it, decides which segments it has."""
    while cells and cells[-1][0] == " ":
        cells.pop()
    role = ""
    for index, (grapheme, own) in enumerate(cells):
        if grapheme == " ":
            cells[index] = (" ", role)
        else:
            role = own
    return cells


def _changed_span(old: list[_Cell], new: list[_Cell]) -> tuple[int, int] | None:
    """The first cell that differs and the one after the last, widened so that no wide character is cut; a missing cell
    is blank."""
    if old == new:
        return None
    length = max(len(old), len(new))
    blank = (" ", "")
    old, new = old + [blank] * (length - len(old)), new + [blank] * (length - len(new))
    # A role colours text only; a blank cell looks the same in all roles.
    differ = [
        index for index in range(length) if old[index] != new[index] and not old[index][0] == new[index][0] == " "
    ]
    if not differ:
        return None
    first, last = differ[0], differ[-1]
    while first and "" in (old[first][0], new[first][0]):
        first -= 1
    while last + 1 < length and "" in (old[last + 1][0], new[last + 1][0]):
        last += 1
    return first, last + 1
