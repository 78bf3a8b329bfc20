"""The dialog that names another source of rows. It only asks; the app opens."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from tui.screens.base import Dialog


class OpenDialog(Dialog[tuple[str, str]]):
    """Gives (source, split); split is empty where it does not matter."""

    AUTO_FOCUS = "Input"
    TITLE_WORDS = "Open data"

    def __init__(self, source: str, split: str) -> None:
        super().__init__()
        self._source, self._split = source, split

    def compose_dialog(self) -> ComposeResult:
        yield Static("A csv, tsv, json, jsonl or parquet file, a saved directory, a hub name, or demo", classes="hint")
        source = Input(self._source, placeholder="path or name", id="source")
        split = Input(self._split, placeholder="split, e.g. train (of a hub name or saved directory; may stay empty)", id="split")
        for field in (source, split):
            field.cursor_blink = False
            yield field
        yield Static(Content.styled("Enter opens, Tab goes to the split.", "$text-muted"))

    @on(Input.Submitted)
    def _submitted(self) -> None:
        source = self.query_one("#source", Input).value.strip()
        if source:
            self.dismiss((source, self.query_one("#split", Input).value.strip()))
