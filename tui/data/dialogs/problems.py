"""The dialog that says what of the source is not used and how it was read, and lists what could not be read, by reason
and row by row, rows that are left out, and edits that no longer apply.

It shows the one under the cursor in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from core.base.plural import counted
from core.base.safe_text import safe_line
from core.base.sentences import with_full_stop
from core.data.problems import unread_words
from tui.actions import key_hints
from tui.common.choices import HEADING, MUTED, ChoiceLine, Choices
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.list_dialog import CLOSE_HINT, ListDialog

if TYPE_CHECKING:
    from core.data.not_used import NotUsed
    from core.data.problems import ProblemKind, ProblemPlace, RowProblem

_EDITS = ("an edit", "this line of the edits")  # how the problem of an edit begins
_NUMBER = 12  # cells of a row's number or a count


class _Line(NamedTuple):
    """A line that the cursor can stand on. Foreign text."""

    number: str
    """`row 12`, or `34 ×`."""
    what: str
    """What is wrong, without its full stop."""
    where: str
    """The rows that it is about, in full."""


class ProblemsDialog(ListDialog[None]):
    """Returns nothing. problems: those with a description, of `count` in all; not_used: clauses with `; ` between them,
    safe text; kinds: all problems by kind; parts: what of rows is not used, and rows that are left out, with their
    numbers; notes: how the source was read."""

    TITLE_WORDS = "What could not be read"
    KEY_WORDS = key_hints(("in full below", "list.move_up", "list.move_down"), ("closes", "dialog.close"))
    AUTO_FOCUS = "#problems-list"
    DEFAULT_CSS = """
    ProblemsDialog.-tall #problems-list { height: 1fr; min-height: 3; }
    ProblemsDialog #not-used { max-height: 8; color: $warning; }
    ProblemsDialog #notes { max-height: 4; color: $text-muted; }
    ProblemsDialog #full { height: auto; min-height: 2; max-height: 8; border-top: solid $panel; }
    """

    def __init__(
        self,
        problems: Sequence[RowProblem],
        count: int,
        not_used: str = "",
        kinds: Sequence[ProblemKind] = (),
        parts: NotUsed | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._not_used, self._notes = not_used, notes
        self._count = count
        edits = [problem for problem in problems if problem.what.startswith(_EDITS)]
        rows = [problem for problem in problems if not problem.what.startswith(_EDITS)]
        kinds = [kind for kind in kinds if not kind.what.startswith(_EDITS)]
        self._unread = unread_words(kinds) if kinds and not edits else f"{count:,}"
        self._lines: list[_Line | str] = []
        if edits:
            self._lines += ["Edits that no longer apply; the journal keeps them", *map(_row_line, edits)]
        if len(kinds) > 1:
            self._lines += ["Why, the most frequent first", *map(_kind_line, kinds)]
        file: str | None = None
        for problem in rows:
            if problem.file != file:
                file = problem.file
                self._lines.append(safe_line(file, 200) or "Rows, counted from 1")
            self._lines.append(_row_line(problem))
        if count > len(problems):
            self._lines.append(f"… and {count - len(problems):,} more")
        if parts is not None and (left_out := list(_part_lines(parts))):
            self._lines += ["Left out, or not used in full", *left_out]
        self.TALL = len(self._lines) > 8

    def compose_dialog(self) -> ComposeResult:
        if self._not_used:
            yield Static(Content("\n".join(self._not_used.split("; "))), id="not-used")
        if self._notes:
            yield Static(Content("\n".join(safe_line(note, 300) for note in self._notes)), id="notes")
        if self._lines:
            yield Choices(id="problems-list")
            yield Static(id="full")

    def on_mount(self) -> None:
        if self._count:
            self.title_words(f"{self._unread} could not be read")
        else:
            self.title_words("What is not used" if self._not_used else "How it was read")
        if not self._lines:
            self.call_after_refresh(self.keys, CLOSE_HINT)
            return
        self.query_one(Choices).show(
            len(self._lines), self._draw, 0, lambda position: not isinstance(self._lines[position], str)
        )
        self._show_in_full()

    def _draw(self, position: int, width: int) -> ChoiceLine:
        line = self._lines[position]
        if isinstance(line, str):
            return [(fit_to_width(line, width), HEADING)]
        number = f"{line.number}  "
        return [(f"{number:>{_NUMBER}}", MUTED), (fit_to_width(line.what, width - max(_NUMBER, len(number))), "")]

    @on(Choices.Moved)
    def _show_in_full(self) -> None:
        position = self.query_one(Choices).cursor
        line = self._lines[position] if position >= 0 else ""
        if isinstance(line, str):
            return
        self.say(
            "#full",
            Content.styled(safe_line(line.where, 300), "bold")
            + Content(f"\n{with_full_stop(safe_line(line.what, 500))}"),
        )


def _row_line(problem: RowProblem) -> _Line:
    number = f"row {problem.row:,}" if problem.row else "the whole file"
    where = f"{problem.file}, {number}" if problem.file else number
    return _Line(f"row {problem.row:,}" if problem.row else "file", problem.what, where)


def _kind_line(kind: ProblemKind) -> _Line:
    more = ", …" if kind.count > len(kind.places) else ""
    return _Line(f"{kind.count:,} ×", kind.what, ", ".join(map(_place_words, kind.places)) + more)


def _place_words(place: ProblemPlace) -> str:
    row = f"row {place.row:,}" if place.row else "the whole file"
    return f"{place.file} {row}" if place.file else row


def _part_lines(parts: NotUsed) -> Iterator[_Line]:
    """Why rows are left out, and which parts of rows are not used, each with its rows."""
    for words, tallies in (("left out: {}", parts.left_out), ("{} not used", parts.parts)):
        for what, tally in tallies.items():
            rows = ", ".join(f"{row:,}" for row in tally.rows) + (", …" if tally.count > len(tally.rows) else "")
            yield _Line(f"{tally.count:,} ×", words.format(what), f"{counted(tally.count, 'row')}: {rows}")
