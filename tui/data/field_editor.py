"""The screen in which one field of a row is edited.

Knows no data set: it hands the text to `keep`, and stays open until that has worked. Nothing that was typed is lost by
accident: text that cannot be saved stays here with the reason, and closing asks before it drops text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static, TextArea

from core.base.errors import SuironError
from core.base.plural import counted
from core.base.safe_text import safe_line
from tui.actions import key_bindings, key_hints, key_of
from tui.common.safe_editing import EditableText
from tui.data.widgets.field_area import FieldArea

if TYPE_CHECKING:
    from core.data.editing.field_drafts import FieldDraft

KeepText = Callable[[str], Awaitable[SuironError | None]]
"""Keeps the text; returns the reason where it could not."""

MAX_CHARACTERS = 100_000  # wrapping more than that in an editor blocks the screen
COUNT_AFTER = 0.3  # seconds between two counts while the user types


class WritingScreen(ModalScreen[bool]):
    """What the editor and the form of a new row share. Returns True where something was kept."""

    BINDINGS: ClassVar[list[BindingType]] = key_bindings("editor")
    DEFAULT_CSS = """
    WritingScreen {
        background: $background;
        & > Static { height: 1; width: 1fr; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > .title { background: $panel; }
        & > .keys { color: $text-muted; background: $panel; }
        & > .trouble { height: auto; max-height: 6; color: $error; text-wrap: wrap; display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False  # the key that closes was pressed once

    @property
    def unsaved(self) -> bool:
        """Whether there is text here that is saved nowhere."""
        raise NotImplementedError

    async def _keep(self) -> SuironError | None:
        raise NotImplementedError

    async def action_keep(self) -> None:
        """Save the text, then close. Text that cannot be saved stays."""
        error = await self._keep() if self.unsaved else None
        if error is None:
            self._close(True)
        else:
            self.say(f"Not kept: {error}")

    def action_close(self) -> None:
        if self.unsaved and not self._asked:
            self._asked = True
            self.say(f"Not kept yet. {key_of('editor.keep')} keeps it; {key_of('editor.close')} again drops it.")
        else:
            self._close(False)

    def _close(self, kept: bool) -> None:
        """The user has decided about the text."""
        self.dismiss(kept)

    @on(TextArea.Changed)
    def _ask_anew(self) -> None:
        if self._asked:
            self._asked = False
            self.say("")

    def say(self, words: str) -> None:
        """Show a message below the text; it may quote foreign text."""
        trouble = self.query_one(".trouble", Static)
        trouble.display = bool(words)
        trouble.update(Content(safe_line(words, 600)))


class FieldEditor(WritingScreen):
    """The editor of one field."""

    def __init__(self, title: str, text: str, keep: KeepText, draft: FieldDraft | None = None) -> None:
        """title: the row and the field; text: as in the row, foreign; draft: keeps the text when the app ends, and may
        hold one from the last time."""
        super().__init__()
        self._title, self._editable, self._keep_text, self._draft = title, EditableText(text), keep, draft
        self._drafted = draft.read() if draft is not None else None  # a small file, once
        self._area = FieldArea(self._editable.shown if self._drafted is None else self._drafted)
        self._is_decided = False
        self._counting: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(classes="title")
        yield self._area
        yield Static(classes="trouble")
        keys = key_hints(("keeps it", "editor.keep"), ("closes", "editor.close"), "Enter is a line break")
        yield Static(keys, classes="keys", markup=False)

    def on_mount(self) -> None:
        self._area.focus()
        self._area.move_cursor(self._area.document.end)
        self._count()
        if self._editable.losses:
            self.say(". ".join(self._editable.losses) + " once you keep a change.")
        if self._drafted is not None:
            keep, close = key_of("editor.keep"), key_of("editor.close")
            self.say(f"This is what you were writing when Suiron ended. {keep} keeps it; {close} twice drops it.")

    def on_unmount(self) -> None:
        """The connection may be lost: keep the text until its field is opened again."""
        if self._draft is not None and not self._is_decided and self.unsaved:
            with suppress(OSError):
                self._draft.write(self._area.text)

    def _close(self, kept: bool) -> None:
        self._is_decided = True
        if self._draft is not None:
            self._draft.drop()
        super()._close(kept)

    @property
    def unsaved(self) -> bool:
        return self._area.text != self._editable.shown

    async def _keep(self) -> SuironError | None:
        return await self._keep_text(self._editable.back(self._area.text))

    @on(TextArea.Changed)
    def _count_soon(self) -> None:
        if self._counting is None:
            self._counting = self.set_timer(COUNT_AFTER, self._count)

    def _count(self) -> None:
        self._counting = None
        text = self._area.text
        lines = text.count("\n") + 1
        changed = text != self._editable.shown
        words = f"{counted(len(text), 'character')} · {counted(lines, 'line')}"
        if changed:
            words += " · changed"
        title = Content.styled(self._title, "bold") + Content.styled(f"  {words}", "$text-muted")
        self.query_one(".title", Static).update(title, layout=False)
