"""The lines of the row pane: the first line, then each field with its heading and its wrapped text. Knows no widget.

The caller also passes the row as it was before its changes, and the counts of its tokens and matches.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.base.row import Row
from core.base.safe_text import safe_line
from tui.data.row_fields import field_text, row_fields
from tui.data.widgets.field_headings import Piece, cut_pieces, heading_pieces
from tui.data.widgets.field_lines import FieldLines
from tui.data.widgets.search_matches import NO_MATCHES, SearchMatches

LABEL_FIELDS = ("syslang", "sysflag")  # shown in the first line; the others with their lines
WIDE_ENOUGH = 60  # cells in which the first line has words and not only marks


@dataclass
class FieldSection:
    """The part of the pane that shows one field."""

    column: str
    """The field."""
    text: str
    """As it is shown, foreign."""
    lines: FieldLines
    """The text, wrapped."""
    start: int = 0
    """The line of the pane with its heading."""

    def height(self, folded: bool, alone: bool) -> int:
        """Lines of the pane; no heading where the field is shown alone."""
        body = len(self.lines.lines) if self.text and not folded else 0
        return body + (0 if alone else 1)


class PaneLines:
    """What the pane shows, line by line."""

    def __init__(self) -> None:
        self.row: Row | None = None
        """The row that is shown."""
        self.before: Row | None = None
        """The row as in the source, where it was changed."""
        self.added = False
        """Whether the row is not in the source."""
        self.field = "instruction"
        """The field the cursor is on."""
        self.alone = False
        """Whether only that field is shown."""
        self.folded: set[str] = set()
        """Fields that show only their heading, in every row."""
        self.tokens: dict[str, int] = {}
        """By field, its tokens where they are counted."""
        self.match_counts: dict[str, int] = {}
        """By field, its matches where they are counted."""
        self.matches: SearchMatches = NO_MATCHES
        """What is searched for."""
        self.sections: list[FieldSection] = []
        """The fields with lines of their own, from top to bottom."""
        self.height = 1
        """Lines of the pane."""
        self._width = 1

    # -- layout --

    def lay_out(self, width: int, visible: bool) -> None:
        """Wrap the beginning of each field in `width` cells. visible: whether the pane has a size yet."""
        self._width = width
        row = self.row
        fields: tuple[str, ...] = ()
        if row is not None and visible:
            fields = (self.field,) if self.alone else tuple(f for f in row_fields(row) if f not in LABEL_FIELDS)
        texts = [(field, field_text(row, field)) for field in fields] if row is not None else []
        self.sections = [FieldSection(field, text, FieldLines(text, width)) for field, text in texts]

    def place_fields(self, top: int) -> int:
        """Assign every field its lines of the pane. Returns the line to scroll to, so that what is at the line `top`
        does not move even where lines above it grew."""
        first_seen = self.section_at(top)
        offset = top - first_seen.start if first_seen is not None else top
        height = 1
        for section in self.sections:
            section.start = height
            height += section.height(section.column in self.folded, self.alone)
        self.height = height
        return first_seen.start + offset if first_seen is not None and first_seen.start > 1 else top

    def fits(self, width: int) -> bool:
        """Whether the fields are wrapped in `width` cells."""
        return bool(self.sections) and all(section.lines.width == width for section in self.sections)

    def section_at(self, line: int) -> FieldSection | None:
        """The field with the heading or the text in this line of the pane."""
        return next((section for section in reversed(self.sections) if section.start <= line), None)

    def section_of_field(self) -> FieldSection | None:
        """The section of the field the cursor is on; None for one in the first line."""
        return next((section for section in self.sections if section.column == self.field), None)

    def top_of_field(self, height: int) -> int:
        """The line to scroll to in a pane of `height` lines: the first match if the field is shown alone, else its
        heading, or the first line."""
        section = self.section_of_field()
        if section is None:
            return 0
        if self.alone:
            line = section.lines.first_match_line(self.matches.in_columns(self.field))
            return line if line is not None and line > height // 2 else 0
        return section.start if section is not self.sections[0] else 0

    # -- lines --

    @property
    def content(self) -> str:
        """All lines laid out so far, as they are drawn."""
        return "\n".join("".join(text for text, _ in self.line(y)).rstrip() for y in range(self.height))

    def line(self, index: int) -> list[Piece]:
        """The pieces of a line of the pane."""
        if self.row is None:
            return [("This row is loading …", "dim")] if index == 0 else []
        if index == 0:
            return self._first_line(self.row)
        section = self.section_at(index)
        if section is None:
            return []
        line_index = index - section.start - (0 if self.alone else 1)
        if line_index < 0:
            return self._heading(section.column, section.text)
        return self._body(section.column, section.lines, line_index)

    def goes_on(self, index: int) -> bool:
        """Whether the line below continues the same line of the text."""
        section = self.section_at(index)
        if section is None:
            return False
        line = index - section.start - (0 if self.alone else 1)
        return 0 <= line < len(section.lines.lines) - 1 and not section.lines.is_hard(line)

    def _first_line(self, row: Row) -> list[Piece]:
        if self.alone:
            return [
                (f"row {row.index} ", "heading"),
                (" ", ""),
                *self._heading(self.field, field_text(row, self.field)),
            ]
        pieces: list[Piece] = [(f"row {row.index}", "heading")]
        is_wide = self._width >= WIDE_ENOUGH
        mark = ""
        if self.added:
            mark = " + added" if is_wide else " +"
        elif self.before is not None:
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

    def _heading(self, column: str, text: str) -> list[Piece]:
        return heading_pieces(
            column,
            text,
            self._width,
            has_cursor=column == self.field and not self.alone,
            alone=self.alone,
            folded=column in self.folded,
            differs=self._differs(column),
            tokens=self.tokens.get(column),
            matches=self.match_counts.get(column, 0),
        )

    def _body(self, column: str, lines: FieldLines, index: int) -> list[Piece]:
        line = lines.lines[index]
        plain = column if column in ("reasoning", "output") else ""
        pieces: list[Piece] = []
        done = 0
        for start, end in lines.spans(index, self.matches.in_columns(column)):
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
            and self.before is not None
            and getattr(self.row, column) != getattr(self.before, column)
        )
