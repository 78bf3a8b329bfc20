"""The dialog that shows what each column of a row is taken from, and which rows are left out, and lets the user change
it.

Guesses nothing itself and reads no file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Record
from typing import Any, ClassVar

import msgspec
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from core.base.row import FIELDS, OPTIONAL
from core.base.safe_text import safe_line
from core.data.columns.mapping import ColumnMapping, ColumnPick, LeftOut, read_row
from core.data.columns.marks import RowMark, mark_words
from tui.actions import key_bindings, key_hints, key_of
from tui.common.choices import MUTED, STRONG, WARN, ChoiceLine, Choices, fit_end
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.list_dialog import ListDialog

HOW = {
    "text": "as it is",
    "first": "first item of the list",
    "think": "its reasoning",
    "answer": "the text after its reasoning",
    "user": "last question of the chat",
    "earlier": "chat before the question",
    "assistant": "last reply of the chat",
    "assistant_think": "reasoning of the last reply",
    "best_think": "reasoning of the best one",
    "best_answer": "answer of the best one",
    "system_turn": "system turn of the chat",
    "chat_history": "chat around the question",
    "history": "earlier turns",
    "tools": "list of tools",
    "index": "as it is, only names an option",
    "option": "the option that it names",
    "unmarked": "without its reasoning markers",
    "unprefixed": "without SYSTEM: before it",
    "joined": "all items of the list",
    "inner": "the text inside the object",
    "inner_think": "reasoning inside the object",
    "json": "its JSON text",
    "hash_think": "the steps before ####",
    "hash_answer": "the result after ####",
    "heading_think": "under the reasoning heading",
    "heading_answer": "under the answer heading",
    "final_think": "before Final Answer:",
    "final_answer": "after Final Answer:",
}
Candidates = Callable[[str, Sequence[str], Sequence[Record[str, Any]]], list[ColumnPick]]


def find_candidates(column: str, names: Sequence[str], rows: Sequence[Record[str, Any]]) -> list[ColumnPick]:
    """Every sensible source of a column, the most likely first, nothing last."""
    from core.data.columns.guess import pick_candidates

    return pick_candidates(column, names, rows)


class ColumnsChoice(msgspec.Struct, frozen=True):
    """The mapping that the user chose."""

    mapping: ColumnMapping
    """What each column is taken from, `by_hand`."""
    keep: bool = True
    """Whether it is saved for next time."""
    wants_names: bool = False
    """Whether the user wants to name the source's columns instead, because its first line is a row."""


class ColumnsDialog(ListDialog[ColumnsChoice]):
    """Returns a ColumnsChoice; None where nothing changes.

    name: of the source; mapping: the current one, or a guess; names: the source's columns; rows: a few of its records
    as they were read, of which the first three are shown; where: the file that a kept mapping is saved in; candidates:
    what a column can be taken from; not_used: what the mapping in force leaves out, safe text; is_table: whether the
    first line of the source could be a row; known_marks: the marks that can be switched on where the mapping has none.
    """

    KEY_WORDS = key_hints(
        ("candidates", "columns.previous_source", "columns.next_source"),
        ("applies", "list.choose"),
        ("keep or not", "columns.toggle_keep"),
        ("closes", "dialog.close"),
    )
    AUTO_FOCUS = "#columns"
    TALL = True
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("columns")
    DEFAULT_CSS = """
    ColumnsDialog > #box { max-width: 116; }
    ColumnsDialog #why { height: 2; margin: 0 0 0 2; color: $text-muted; }
    ColumnsDialog #sample { height: 1fr; min-height: 3; }
    ColumnsDialog #marks { height: auto; max-height: 2; color: $text-muted; }
    ColumnsDialog #not-used { max-height: 3; color: $warning; }
    ColumnsDialog #kept { height: 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(
        self,
        name: str,
        mapping: ColumnMapping,
        names: Sequence[str],
        rows: Sequence[Record[str, Any]],
        where: str = "",
        pick_candidates: Candidates = find_candidates,
        not_used: str = "",
        is_table: bool = False,
        known_marks: Sequence[RowMark] = (),
    ) -> None:
        super().__init__()
        self._known_marks = mapping.marks or tuple(known_marks)
        self._not_used, self._is_table = not_used, is_table
        self._name, self._names, self._rows, self._where = name, list(names), list(rows), where
        self._mapping = mapping
        self._candidates = pick_candidates
        self._found: dict[str, list[ColumnPick]] = {}
        self._unclear = [column for column in FIELDS if column in mapping.unclear]
        self._keep = bool(where)

    def compose_dialog(self) -> ComposeResult:
        yield Choices(id="columns")
        yield Static(id="why")
        yield Static(classes="trouble")
        yield Static(id="sample")
        if self._known_marks:
            yield Static(id="marks")
        if self._not_used:
            yield Static(Content(self._not_used), id="not-used")
        yield Static(id="kept")

    def on_mount(self) -> None:
        self.title_words(f"Columns of {self._name}")
        first = FIELDS.index(self._unclear[0]) if self._unclear else 0
        self.query_one("#columns", Choices).show(len(FIELDS), self._draw, first)
        self._show_column()
        self._show_marks()
        self.call_after_refresh(self._show_sample)
        self.call_after_refresh(self._say_kept)

    # -- what is shown --

    @property
    def _column(self) -> str:
        return FIELDS[max(0, self.query_one("#columns", Choices).cursor)]

    def _pick(self, column: str) -> ColumnPick:
        return self._mapping.picks.get(column) or ColumnPick("")

    def _candidates_of(self, column: str) -> list[ColumnPick]:
        """The candidates of a column, among them the current pick."""
        if column not in self._found:
            found = list(self._candidates(column, self._names, self._rows))
            chosen = self._pick(column)
            if not any(_is_same_source(candidate, chosen) for candidate in found):
                found.insert(0, chosen)
            self._found[column] = found
        return self._found[column]

    def _draw(self, position: int, width: int) -> ChoiceLine:
        column, pick = FIELDS[position], self._pick(FIELDS[position])
        unclear = column in self._unclear
        mark = "? " if unclear else "  "
        source = max(10, min(30, (width - 16) // 2 - 3))
        if not pick.column:
            words, role = ("nothing", MUTED if column in OPTIONAL and not unclear else WARN)
            if unclear:
                words += " · unclear"
            return [
                (mark, WARN),
                (fit_to_width(column, 12), STRONG),
                ("← ", MUTED),
                (fit_to_width(words, width - 16), role),
            ]
        how = HOW.get(pick.how, pick.how) + (" · unclear" if unclear else "")
        return [
            (mark, WARN),
            (fit_to_width(column, 12), STRONG),
            ("← ", MUTED),
            (fit_to_width(pick.column, source), ""),
            (" " + fit_to_width(how, width - source - 17), WARN if unclear else MUTED),
        ]

    @on(Choices.Moved, "#columns")
    def _show_column(self) -> None:
        """Show the reason and the sample of the column under the cursor."""
        column, pick = self._column, self._pick(self._column)
        found = self._candidates_of(column)
        position = _candidate_index(found, pick)
        count = f"◂ {position + 1} of {len(found)} ▸ " if len(found) > 1 else "the only candidate: "
        why = safe_line(pick.why or ("nothing fits" if not pick.column else "chosen by hand"), 300)
        question = ""
        if column in self._unclear:
            question = " Is it this one?" if pick.column else " Is it another?"
        self.say("#why", Content(f"{count}{why}{'.' if question else ''}{question}"))
        self.keys(
            key_hints(
                ("candidates", "columns.previous_source", "columns.next_source"),
                ("confirms" if self._unclear else "applies", "list.choose"),
                ("keep" if self._is_table or self._known_marks else "keep or not", "columns.toggle_keep"),
                *([(self._marks_word, "columns.toggle_marks")] if self._known_marks else []),
                *([("no header", "columns.name_columns")] if self._is_table else []),
                ("closes", "dialog.close"),
            )
        )
        self._show_sample()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._show_sample)
        self.call_after_refresh(self._say_kept)

    def _show_sample(self) -> None:
        sample = self.query_one("#sample", Static)
        width, height = sample.size.width, sample.size.height
        if not width or not height:
            return  # not laid out yet, or no room for it
        sample.update(sample_words(self._mapping, self._rows, self._column, width, height))

    @property
    def _marks_word(self) -> str:
        return "learn all rows" if self._mapping.marks else "obey the marks"

    def _show_marks(self) -> None:
        """Say which rows are left out since the source marks them, or that none are."""
        if not self._known_marks:
            return
        words = f"Marks: {', '.join(map(mark_words, self._known_marks))}"
        if not self._mapping.marks:
            names = ", ".join(mark.column for mark in self._known_marks)
            words = f"Every row is learnt; marks that are not obeyed: {names}"
        self.query_one("#marks", Static).update(Content(safe_line(words, 300)))

    def _say_kept(self) -> None:
        enter = key_of("list.choose")
        words = f"{enter} saves it for next time: " if self._keep else "For this time only; not saved."
        width = self.query_one("#kept").size.width
        self.say("#kept", words + fit_end(self._where, max(10, width - len(words))) if self._keep else words)

    # -- keys --

    def action_change(self, by: int) -> None:
        column, pick = self._column, self._pick(self._column)
        found = self._candidates_of(column)
        position = _candidate_index(found, pick)
        self._mapping = self._mapping.with_pick(column, found[(position + by) % len(found)])
        self.trouble("")
        self.query_one("#columns", Choices).redraw(FIELDS.index(column))
        self._show_column()

    @on(Choices.Chosen, "#columns")
    def _take(self) -> None:
        choices = self.query_one("#columns", Choices)
        if self._column in self._unclear:
            self._unclear.remove(self._column)
            choices.redraw(choices.cursor)
            self._show_column()
            if self._unclear:
                choices.move_to(FIELDS.index(self._unclear[0]))
            return
        if self._unclear:
            choices.move_to(FIELDS.index(self._unclear[0]))
            return
        missing = [column for column in FIELDS if column not in OPTIONAL and not self._mapping.source(column)]
        if missing:
            choices.move_to(FIELDS.index(missing[0]))
            self.trouble(f"Choose a source for {' and '.join(missing)}: no row can be used without it.")
            return
        self.dismiss(ColumnsChoice(self._mapping.chosen(), self._keep))

    def action_marks(self) -> None:
        if self._known_marks:
            self._mapping = self._mapping.with_marks(() if self._mapping.marks else self._known_marks)
            self._show_marks()
            self._show_column()

    def action_name_columns(self) -> None:
        if self._is_table:
            self.dismiss(ColumnsChoice(self._mapping, wants_names=True))

    def action_keep(self) -> None:
        if self._where:
            self._keep = not self._keep
            self._say_kept()


def _is_same_source(pick: ColumnPick, other: ColumnPick) -> bool:
    return (pick.column, pick.how) == (other.column, other.how)


def _candidate_index(pick_candidates: Sequence[ColumnPick], pick: ColumnPick) -> int:
    return next((index for index, candidate in enumerate(pick_candidates) if _is_same_source(candidate, pick)), 0)


def sample_words(
    mapping: ColumnMapping, rows: Sequence[Record[str, Any]], column: str, width: int, height: int
) -> Content:
    """The first three records as the mapping reads them, in at most `height` lines of `width` cells: in full where
    there is room, else only `column`."""
    shown = list(rows[:3])
    if not shown:
        return Content.styled("There are no rows to show.", "$text-muted")
    read = [read_row(mapping, record) for record in shown]
    taken = [name for name in FIELDS if mapping.source(name)]
    whole = height >= len(shown) * (1 + len(taken))
    each = max(1, height // len(shown))
    parts: list[Content] = []
    for number, row in enumerate(read):
        if isinstance(row, str):
            fate = "is left out" if isinstance(row, LeftOut) else "cannot be used"
            parts.append(Content.styled(fit_to_width(f"row {number} {fate}: {row}", width), "$warning"))
        elif whole:
            parts.append(Content.styled(fit_to_width(f"row {number}", width), "bold $primary"))
            for name in taken:
                value = row[FIELDS.index(name)]
                style = "$reasoning" if name == "reasoning" else ""
                style = f"bold {style}" if name == column else style
                parts.append(_line(f"  {name:<12}", value, width, style))
        else:
            value = row[FIELDS.index(column)]
            lines = max(1, each)
            parts += _lines(f"row {number}  ", value, width, lines)
    return Content("\n").join(parts[:height])


def _line(label: str, value: str, width: int, style: str) -> Content:
    text = fit_to_width(value, width - len(label)) if value else fit_to_width("(empty)", width - len(label))
    return Content.styled(label, "$text-muted") + Content.styled(text, style if value else "$text-muted")


def _lines(label: str, value: str, width: int, lines: int) -> list[Content]:
    """A value on up to `lines` lines; the rest is left out."""
    from tui.common.wrapping import line_starts

    if not value:
        return [_line(label, "", width, "")]
    text = safe_line(value, width * lines)
    starts = line_starts(text, max(1, width - len(label)))[: lines + 1]
    pieces = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    if len(pieces) > lines:
        pieces = [*pieces[: lines - 1], "".join(pieces[lines - 1 :])]
    return [
        _line(label if position == 0 else " " * len(label), piece, width, "") for position, piece in enumerate(pieces)
    ]
