"""The line in which the text to search for is typed. Searches nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label

from core.base.row import COLUMNS
from tui.actions import key_hints
from tui.data.widgets.still_input import StillInput

SEARCH_AFTER = 0.15  # seconds without a key before the text is searched for
COLUMN_CHOICES: tuple[tuple[str, ...], ...] = ((), *((column,) for column in COLUMNS))


class SearchBar(Horizontal):
    """Hidden until it is opened. The screen passes it the search in force."""

    class Searched(Message):
        """Search for this text; for nothing where it is empty."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class ColumnsChosen(Message):
        """Search in these columns; in all where there are none."""

        def __init__(self, columns: tuple[str, ...]) -> None:
            super().__init__()
            self.columns = columns

    def __init__(self, return_focus: Callable[[], None]) -> None:
        """return_focus: puts the focus back on the rows, at once."""
        super().__init__(id="search-line", classes="line")
        self.display = False
        self._return_focus = return_focus
        self._text = ""
        self._columns: tuple[str, ...] = ()
        self._serial = 0  # of the last key: only after that one, and a pause, is the text searched for
        self._label = Label("/ all columns", id="search-in")
        hints = key_hints(("picks a column", "data.next_field"), "Enter keeps", ("drops", "data.go_back"))
        self._input = StillInput(f"text to find · {hints}", id="search")

    def compose(self) -> ComposeResult:
        yield self._label
        yield self._input

    def set_search(self, text: str, columns: tuple[str, ...]) -> None:
        """Take over the search in force."""
        self._text, self._columns = text, columns
        self._label.update(Content(f"/ {', '.join(columns) if columns else 'all columns'}"))

    def set_typed_text(self, text: str) -> None:
        """Replace what is typed, without searching for it."""
        self._serial += 1
        self._input.value = text

    @property
    def is_open(self) -> bool:
        return bool(self.display)

    @property
    def is_typing(self) -> bool:
        """Whether keys go to the line."""
        return self.is_open and self._input.has_focus

    def open(self) -> None:
        self.display = True
        # at once: `focus()` waits its turn, and what is typed meanwhile would go to the table
        self.screen.set_focus(self._input)

    def close(self) -> None:
        if self.is_open:
            self.display = False
            self._return_focus()

    def drop(self) -> None:
        """Close the line and search for nothing."""
        self.set_typed_text("")
        self.close()
        self._search_for("")

    def choose_column(self, by: int) -> None:
        """Choose the next columns to search: all, then each one."""
        current = self._columns if self._columns in COLUMN_CHOICES else ()
        columns = COLUMN_CHOICES[(COLUMN_CHOICES.index(current) + by) % len(COLUMN_CHOICES)]
        self.set_search(self._text, columns)
        self.post_message(self.ColumnsChosen(columns))

    @on(Input.Changed)
    def _search_soon(self, event: Input.Changed) -> None:
        event.stop()
        self._serial += 1
        if event.value != self._text:
            self.set_timer(SEARCH_AFTER, partial(self._search_now, self._serial))

    def _search_now(self, serial: int) -> None:
        if serial == self._serial:
            self._search_for(self._input.value)

    @on(Input.Submitted)
    def _keep_search(self, event: Input.Submitted) -> None:
        event.stop()
        self._serial += 1
        self.close()
        self._search_for(event.value)

    def _search_for(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.post_message(self.Searched(text))
