"""The dialog that shows what the doctor found, group by group, and leads to the rows or to a safe fix. Finds and mends
nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from core.base.safe_text import safe_line
from core.quality.report import Group, Report
from tui.common.choices import BAD, MUTED, WARN, Choices, Line
from tui.common.list_dialog import Panel
from tui.data.widgets.hits import fit

FIRST = 12  # rows whose numbers are named
_ROLES = {"error": BAD, "warning": WARN, "hint": MUTED}


@dataclass(frozen=True)
class Chosen:
    """group: what the doctor found, with the indices of its rows. fix: whether its safe fix is wanted; else the person
    goes to its rows, of which `first` is the first."""

    group: Group
    fix: bool = False

    @property
    def first(self) -> int:
        return int(self.group.indices[0])


class DoctorDialog(Panel[Chosen]):
    """Gives a Chosen: Enter for the rows of a group, f and then y for its fix. kind: the group to begin with."""

    KEY_WORDS = "Esc closes"
    AUTO_FOCUS = "#groups"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "fix", show=False),
        Binding("y", "yes", show=False),
        Binding("n", "no", show=False),
    ]
    DEFAULT_CSS = """
    DoctorDialog > #box { max-width: 110; }
    DoctorDialog #groups { height: 1fr; min-height: 3; }
    DoctorDialog #about { height: auto; min-height: 6; border-top: solid $panel; }
    DoctorDialog #ask { color: $warning; text-style: bold; }
    """

    def __init__(self, report: Report, kind: str = "") -> None:
        super().__init__()
        self._report, self._kind = report, kind
        self._asking: Group | None = None  # whose fix y makes
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
            notes.append(f"{report.skipped:,} rows could not be read at all; p lists them")
        self.say("#notes", Content("\n").join([Content(safe_line(note, 300)) for note in notes]))
        self.query_one("#notes").display = bool(notes)
        groups = self.query_one("#groups", Choices)
        here = next((place for place, group in enumerate(report.groups) if group.kind == self._kind), 0)
        groups.display = self.query_one("#about").display = bool(report.groups)
        groups.show(len(report.groups), self._draw, here)
        self.call_after_refresh(self._look)

    def _draw(self, place: int, width: int) -> Line:
        group = self._report.groups[place]
        tail = "  f fixes" if group.fix else ""
        digits = max(len(f"{one.count:,}") for one in self._report.groups)
        count = f"{group.count:>{digits},} row{'s' if group.count != 1 else ' '}  "
        return [
            (fit(group.severity, 8), _ROLES[group.severity]),
            (count, ""),
            (fit(group.title, max(0, width - 8 - len(count) - len(tail))), ""),
            (tail, MUTED),
        ]

    @property
    def _group(self) -> Group | None:
        place = self.query_one("#groups", Choices).cursor
        return self._report.groups[place] if 0 <= place < len(self._report.groups) else None

    @on(Choices.Moved, "#groups")
    def _look(self) -> None:
        """Say of the group under the cursor why it matters and what to do."""
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
            parts.append(Content.styled(f"\nf: {safe_line(group.fix, 300)}", "bold"))
        self.say("#about", Content("").join(parts))
        rows = "its row" if group.count == 1 else "its rows"
        self.keys(f"Enter goes to {rows}{' · f fixes' if group.fix else ''} · Esc closes")

    @on(Choices.Chosen, "#groups")
    def _go(self) -> None:
        group = self._group
        if group is not None and self._asking is None:
            self.dismiss(Chosen(group))

    # -- the fix --

    def _ask(self, group: Group | None) -> None:
        self._asking = group
        self.query_one("#ask").display = group is not None

    def action_fix(self) -> None:
        group = self._group
        if group is None:
            return
        if not group.fix:
            self.notify("There is no fix that is safe without looking; Enter goes to the rows.", markup=False)
            return
        rows = "1 row" if group.count == 1 else f"{group.count:,} rows"
        self.say("#ask", Content(f"{rows}: {safe_line(group.fix, 200)}?\ny does it, n does not; u undoes it later."))
        self._ask(group)

    def action_yes(self) -> None:
        if self._asking is not None:
            self.dismiss(Chosen(self._asking, fix=True))

    def action_no(self) -> None:
        self._ask(None)

    def action_close(self) -> None:
        if self._asking is not None:
            self._ask(None)
        else:
            super().action_close()


def summary_words(report: Report) -> Content:
    """One line: rows checked, and how many findings of which severity."""
    rows = f"{report.rows:,} row{'s' if report.rows != 1 else ''} checked"
    if not report.groups:
        return Content.styled(f"{rows}: nothing found.", "bold $success")
    counts: dict[str, int] = {}
    for group in report.groups:
        counts[group.severity] = counts.get(group.severity, 0) + group.count
    words = [f"{count:,} {severity}{'s' if count != 1 else ''}" for severity, count in counts.items()]
    return Content.styled(f"{rows}: ", "bold") + Content(", ".join(words))
