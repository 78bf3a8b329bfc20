"""The dialog that lists the doctor's findings by group and leads to their rows or to a safe fix.

Finds and fixes nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from core.base.plural import counted
from core.base.safe_text import safe_line
from core.quality.report import FindingGroup, QualityReport
from tui.actions import key_bindings, key_hints, key_of
from tui.common.choices import BAD, MUTED, WARN, ChoiceLine, Choices
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.list_dialog import CLOSE_HINT, ListDialog

FIRST = 12  # rows whose numbers are shown
_ROLES = {"error": BAD, "warning": WARN, "hint": MUTED}


@dataclass(frozen=True)
class FindingChoice:
    """What the user chose: to go to the rows of a group, or to fix them."""

    group: FindingGroup
    """A kind of finding, with the indices of its rows."""
    fix: bool = False
    """Whether the safe fix is wanted."""

    @property
    def first(self) -> int:
        """The index of the first row."""
        return int(self.group.indices[0])


class DoctorDialog(ListDialog[FindingChoice]):
    """Returns a FindingChoice; a fix is confirmed first. kind: the kind of the group to start with."""

    KEY_WORDS = CLOSE_HINT
    AUTO_FOCUS = "#groups"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("doctor")
    DEFAULT_CSS = """
    DoctorDialog > #box { max-width: 110; }
    DoctorDialog #groups { height: 1fr; min-height: 3; }
    DoctorDialog #about { height: auto; min-height: 6; border-top: solid $panel; }
    DoctorDialog #ask { color: $warning; text-style: bold; }
    """

    def __init__(self, report: QualityReport, kind: str = "") -> None:
        super().__init__()
        self._report, self._kind = report, kind
        self._asking: FindingGroup | None = None  # whose fix waits for a confirmation
        self.TALL = bool(report.groups)

    def compose_dialog(self) -> ComposeResult:
        yield Static(id="summary", classes="one")
        yield Choices(id="groups")
        yield Static(id="about")
        yield Static(id="ask")
        yield Static(id="notes", classes="hint")

    def on_mount(self) -> None:
        report = self._report
        name = report.source + (f" [{report.split}]" if report.split else "")
        self.title_words(f"Doctor: {name[-60:]}")
        self.say("#summary", summary_words(report))
        self.query_one("#ask").display = False
        notes = list(report.notes)
        if report.skipped:
            notes.append(
                f"{counted(report.skipped, 'row')} could not be read; {key_of('data.show_problems')} in Data lists them"
            )
        self.say("#notes", Content("\n").join([Content(safe_line(note, 300)) for note in notes]))
        self.query_one("#notes").display = bool(notes)
        groups = self.query_one("#groups", Choices)
        start = next((position for position, group in enumerate(report.groups) if group.kind == self._kind), 0)
        groups.display = self.query_one("#about").display = bool(report.groups)
        groups.show(len(report.groups), self._draw, start)
        self.call_after_refresh(self._explain_group)

    def _draw(self, position: int, width: int) -> ChoiceLine:
        group = self._report.groups[position]
        key = key_of("doctor.fix")
        tail = f"  {key}" if group.fix and key else ""
        digits = max(len(f"{listed.count:,}") for listed in self._report.groups)
        count = f"{group.count:>{digits},} row{'s' if group.count != 1 else ' '}  "
        return [
            (fit_to_width(group.severity, 8), _ROLES[group.severity]),
            (count, ""),
            (fit_to_width(group.title, max(0, width - 8 - len(count) - len(tail))), ""),
            (tail, MUTED),
        ]

    @property
    def _group(self) -> FindingGroup | None:
        position = self.query_one("#groups", Choices).cursor
        return self._report.groups[position] if 0 <= position < len(self._report.groups) else None

    @on(Choices.Moved, "#groups")
    def _explain_group(self) -> None:
        """Explain why the group under the cursor matters and what to do."""
        group = self._group
        if group is None:
            return
        if group is not self._asking:
            self._ask(None)
        numbers = ", ".join(f"{row:,}" for row in group.indices[:FIRST]) + (", …" if group.count > FIRST else "")
        parts = [
            Content(safe_line(f"{group.why}.", 400)),
            Content("\n"),
            Content(safe_line(f"{group.do}.", 400)),
            Content("\n"),
        ]
        parts.append(Content.styled(f"row{'s' if group.count != 1 else ''} {numbers}", "$text-muted"))
        if group.fix:
            parts.append(Content.styled(f"\n{key_of('doctor.fix')}: {safe_line(group.fix, 300)}", "bold"))
        self.say("#about", Content("").join(parts))
        rows = "its row" if group.count == 1 else "its rows"
        fix = [("fixes", "doctor.fix")] if group.fix else []
        self.keys(key_hints((f"goes to {rows}", "list.choose"), *fix, ("closes", "dialog.close")))

    @on(Choices.Chosen, "#groups")
    def _go(self) -> None:
        group = self._group
        if group is not None and self._asking is None:
            self.dismiss(FindingChoice(group))

    # -- the fix --

    def _ask(self, group: FindingGroup | None) -> None:
        self._asking = group
        self.query_one("#ask").display = group is not None

    def action_fix(self) -> None:
        group = self._group
        if group is None:
            return
        if not group.fix:
            self.notify(f"No fix is safe without review. {key_of('list.choose')} goes to the rows.", markup=False)
            return
        rows = counted(group.count, "row")
        answers = key_hints(("confirms", "doctor.confirm"), ("cancels", "doctor.decline"))
        undo = f"{key_of('data.undo')} undoes it later."
        self.say("#ask", Content(f"{rows}: {safe_line(group.fix, 200)}?\n{answers}; {undo}"))
        self._ask(group)

    def action_yes(self) -> None:
        if self._asking is not None:
            self.dismiss(FindingChoice(self._asking, fix=True))

    def action_no(self) -> None:
        self._ask(None)

    def action_close(self) -> None:
        if self._asking is not None:
            self._ask(None)
        else:
            super().action_close()


def summary_words(report: QualityReport) -> Content:
    """One line: rows checked, and how many findings of which severity."""
    rows = f"{counted(report.rows, 'row')} checked"
    if not report.groups:
        return Content.styled(f"{rows}: nothing found.", "bold $success")
    counts: dict[str, int] = {}
    for group in report.groups:
        counts[group.severity] = counts.get(group.severity, 0) + group.count
    words = [counted(count, severity) for severity, count in counts.items()]
    return Content.styled(f"{rows}: ", "bold") + Content(", ".join(words))
