"""The line in which a condition in SQL is typed, and below it how far its answer is, or why it is refused.

Asks nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Label, Static

from core.base.plural import counted
from tui.actions import key_of
from tui.data.widgets.still_input import StillInput

REMEMBERED = 50  # conditions


class ConditionBar(Vertical):
    """Hidden until it is opened. It says at once that it searches, and for how long; it closes once the condition has
    been answered, and stays open with the reason where the condition is refused."""

    class Submitted(Message):
        """Show the rows that meet this condition; all where it is empty."""

        def __init__(self, condition: str) -> None:
            super().__init__()
            self.condition = condition

    class Cancelled(Message):
        """Do not wait for the condition that was submitted: the one before, which may be empty, is in force again."""

        def __init__(self, condition: str) -> None:
            super().__init__()
            self.condition = condition

    def __init__(self, return_focus: Callable[[], None]) -> None:
        """return_focus: puts the focus back on the rows, at once."""
        super().__init__(id="condition")
        self.display = False
        self._return_focus = return_focus
        self._asked = ""  # the condition in force, perhaps not answered yet
        self._accepted = ""  # the last condition that was answered
        self._awaited = ""  # the condition whose answer is not complete; empty for none
        self._asked_at = 0.0
        self._clock: Timer | None = None  # shows the seconds while a condition is awaited
        self._history: list[str] = []  # conditions asked before, the newest last
        self._history_index = 0  # the one in the line
        placeholder = "SQL, as in length(reasoning) > 2000 and syslang = 'Japanese'"
        self._input = StillInput(placeholder, id="where", select_on_focus=False)
        self._state = Static(id="where-state")
        self._state.display = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="where-line", classes="line"):
            yield Label("where")
            yield self._input
        yield self._state

    @property
    def is_open(self) -> bool:
        return bool(self.display)

    @property
    def is_typing(self) -> bool:
        """Whether keys go to the line."""
        return self.is_open and self._input.has_focus

    @property
    def accepted(self) -> str:
        """The last condition that was answered; empty for none."""
        return self._accepted

    @property
    def is_waiting(self) -> bool:
        """Whether the line is open and a condition is being searched for."""
        return self.is_open and bool(self._awaited)

    def set_condition(self, condition: str) -> None:
        """Take over the condition in force."""
        self._asked = condition

    def forget_accepted(self) -> None:
        """Forget the last condition, for another source or none."""
        self._accepted = ""
        self._stop_waiting()

    def open(self) -> None:
        """Open the line on the condition in force."""
        self._type(self._asked)
        self._history_index = len(self._history)
        self._show_waiting()
        self.display = True
        self.screen.set_focus(self._input)  # at once, so that what is typed next goes here

    def close(self) -> None:
        self._show_state("")
        if self.is_open:
            self.display = False
            self._return_focus()

    def submit(self, condition: str) -> None:
        """Ask for a condition, as if it had been typed here."""
        if condition and (not self._history or self._history[-1] != condition):
            self._history = [*self._history[-REMEMBERED:], condition]
        self._history_index = len(self._history)
        if condition == self._asked:
            if condition == self._accepted:  # else its answer is still awaited
                self.close()
            return
        if not condition:
            self._accepted = ""
            self.close()
        self._asked = condition
        self._wait_for(condition)
        self.post_message(self.Submitted(condition))

    def accept(self, condition: str, count: int, is_whole: bool) -> str:
        """This condition has been answered with `count` rows; is_whole: no more will be found. Returns what to say of
        it, empty where nothing new is known."""
        words = ""
        if condition and condition == self._awaited and is_whole:
            self._stop_waiting()
            words = f"{counted(count, 'row')} {'meets' if count == 1 else 'meet'} the condition."
            self._show_state(words)
        if condition and condition != self._accepted:
            self._accepted = condition
            if self._input.value.strip() == condition:  # else more was typed meanwhile
                self.close()
        return words

    def cancel(self) -> None:
        """Do not wait any longer; the text stays in the line."""
        self._stop_waiting()
        self._asked = self._accepted
        self._show_state("Cancelled; the rows are as before. Enter asks again.")
        self.post_message(self.Cancelled(self._accepted))

    def refuse(self, condition: str, reason: str) -> None:
        """This condition cannot be asked: the line stays, with the reason. Safe text."""
        self._stop_waiting()
        self._asked = self._accepted
        if not self.is_open:  # else what is in the line is kept: more may have been typed meanwhile
            self.open()
            self._type(condition)
        self._show_state(reason, is_trouble=True)

    def recall(self, by: int) -> None:
        """Put an earlier condition (by -1) or a later one into the line; after the newest an empty one."""
        known = [*self._history, ""]
        index = self._history_index + by
        while 0 <= index < len(known) and known[index] == self._input.value:
            index += by
        if 0 <= index < len(known):
            self._history_index = index
            self._type(known[index])

    @on(Input.Submitted)
    def _submit_typed(self, event: Input.Submitted) -> None:
        event.stop()
        self.submit(event.value.strip())

    def _type(self, text: str) -> None:
        self._input.value = text
        self._input.cursor_position = len(text)

    # -- the line below --

    def _wait_for(self, condition: str) -> None:
        self._stop_waiting()
        self._awaited = condition
        if condition:
            self._asked_at = time.monotonic()
            self._clock = self.set_interval(1.0, self._show_waiting)
            self._show_waiting()

    def _stop_waiting(self) -> None:
        self._awaited = ""
        if self._clock is not None:
            self._clock.stop()
            self._clock = None

    def _show_waiting(self) -> None:
        """Say that the condition is searched for, and for how long."""
        seconds = int(time.monotonic() - self._asked_at)
        so_far = f" {seconds} s" if seconds else ""
        self._show_state(f"searching …{so_far}  {key_of('data.go_back')} cancels" if self._awaited else "")

    def _show_state(self, words: str, is_trouble: bool = False) -> None:
        """Safe text; empty hides the line."""
        self._state.display = bool(words)
        self._state.update(Content.styled(words, "$error" if is_trouble else "$text-muted"))
