"""The question before a template that is being written is dropped."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.actions import key_bindings, key_hints
from tui.common.dialog import Dialog


class UnsavedDraftDialog(Dialog[str]):
    """Returns `discard` or `save`; None keeps the text as it is."""

    TITLE_WORDS = "The template is not saved"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("draft")
    DEFAULT_CSS = """
    UnsavedDraftDialog > #box { max-width: 72; }
    """

    def compose_dialog(self) -> ComposeResult:
        yield Static("Discard the text you are writing? It is in no file.")

    def on_mount(self) -> None:
        self.query_one("#box", VerticalScroll).border_subtitle = Content(
            key_hints(("discards it", "draft.discard"), ("keeps it", "draft.keep"), ("saves it", "draft.save"))
        )

    def action_discard(self) -> None:
        self.dismiss("discard")

    def action_save(self) -> None:
        self.dismiss("save")
