"""The form for a new row, with all six fields."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Label, Static, TextArea

from core.base.errors import SuironError, UsageError
from core.base.row import COLUMNS, Row
from tui.actions import key_hints, key_of
from tui.data.field_editor import WritingScreen
from tui.data.widgets.field_area import FieldArea

KeepRow = Callable[[Row], Awaitable[SuironError | None]]
HINTS = {
    "instruction": "what is asked",
    "input": "more context; may be empty",
    "output": "the answer",
    "sysflag": "train, test, …",
}


class RowForm(WritingScreen):
    """syslang, sysflag: the values that the new row starts with."""

    DEFAULT_CSS = """
    RowForm {
        & Horizontal { height: 3fr; width: 1fr; margin: 0 0 0 1; }
        & Horizontal.low { height: 1fr; min-height: 1; max-height: 4; }
        & Horizontal.line { height: 1; }
        & Label { width: 12; color: $text-muted; }
        & .second { margin: 0 0 0 2; width: 9; }
        & FieldArea { border-bottom: none; }
    }
    """

    def __init__(self, syslang: str, sysflag: str, keep: KeepRow) -> None:
        super().__init__()
        self._labels = {"syslang": syslang, "sysflag": sysflag}
        self._keep_row = keep

    def compose(self) -> ComposeResult:
        yield Static("New row", classes="title")
        for column in ("instruction", "input", "reasoning", "output"):
            with Horizontal(classes="low" if column == "input" else ""):
                yield Label(column)
                yield FieldArea(placeholder=HINTS.get(column, ""), id=column)
        with Horizontal(classes="line"):
            yield Label("syslang")
            yield FieldArea(self._labels["syslang"], id="syslang")
            yield Label("sysflag", classes="second")
            yield FieldArea(self._labels["sysflag"], placeholder=HINTS["sysflag"], id="sysflag")
        yield Static(classes="trouble")
        keys = key_hints(("keeps it", "editor.keep"), "Tab next field", ("closes", "editor.close"))
        yield Static(keys, classes="keys", markup=False)

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#instruction"))

    @property
    def row(self) -> Row:
        return Row(*(self.query_one(f"#{column}", TextArea).text for column in COLUMNS))  # type: ignore[arg-type]  # six texts, and no index

    @property
    def unsaved(self) -> bool:
        row = self.row
        return any(getattr(row, column) for column in ("instruction", "input", "reasoning", "output"))

    async def action_keep(self) -> None:
        if not self.unsaved:
            self.say(f"Nothing is written yet. {key_of('editor.close')} closes the form.")
        else:
            await super().action_keep()

    async def _keep(self) -> SuironError | None:
        row = self.row
        labels = {label: " ".join(getattr(row, label).split()) for label in ("syslang", "sysflag")}
        if not row.instruction.strip():
            self.set_focus(self.query_one("#instruction"))
            return UsageError("the instruction is empty", "new row", "Write an instruction")
        return await self._keep_row(
            Row(row.instruction, row.input, row.reasoning, row.output, labels["syslang"], labels["sysflag"])
        )
