"""The dialog for a person's name and note of a run."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from core.runs.run_summary import RunSummary
from tui.actions import key_hints
from tui.common.dialog import Dialog
from tui.common.field import Field


class AboutRunDialog(Dialog[tuple[str, str]]):
    """Returns the name and the note as they were typed."""

    TITLE_WORDS = "Name and note of the run"
    AUTO_FOCUS = "#note"

    def __init__(self, run: RunSummary) -> None:
        super().__init__()
        self._run = run

    def compose_dialog(self) -> ComposeResult:
        yield Static(Content.styled("name (the folder keeps its id)", "$text-muted"))
        yield Field(self._run.name, id="name", max_length=80)
        yield Static(Content.styled("note", "$text-muted"))
        yield Field(self._run.note, id="note", max_length=20_000)
        yield Static(key_hints("Enter saves", ("closes", "dialog.close")), classes="hint")

    @on(Input.Submitted)
    def _save(self) -> None:
        self.dismiss((self.query_one("#name", Field).value, self.query_one("#note", Field).value))
