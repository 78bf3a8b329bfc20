"""Every key, as data. Bindings, footer, help (F1), command palette and the README's table are made from this table alone.

Keys that tmux, screen or common terminals keep for themselves are not used: Ctrl+A/B (prefixes), Ctrl+S/Q (flow control), Ctrl+Z/\\,
Ctrl+H/I/J/M/[ (other keys' codes), Ctrl+Tab, Alt+digit, Ctrl+PageUp/Down and Shift+PageUp/Down (tabs, scrollback), F10, F11, F12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

Scope = Literal["app", "data", "train", "chat"]


@dataclass(frozen=True)
class Action:
    """id: stable name; keys: Textual's, comma-separated, the first is the one shown; words: the footer's label; help: one sentence;
    run: the Textual action; everywhere: also works while a text field has the focus; footer: shown there."""

    id: str
    scope: Scope
    keys: str
    words: str
    help: str
    run: str
    everywhere: bool = False
    footer: bool = True


ACTIONS: tuple[Action, ...] = (
    Action("app.data", "app", "f2", "Data", "Rows of the data set: page, filter, search, read one whole.", "app.switch_mode('data')", True, False),
    Action("app.train", "app", "f3", "Train", "Settings of a run, its live loss curve and console.", "app.switch_mode('train')", True, False),
    Action("app.chat", "app", "f4", "Chat", "Ask the model; reasoning and response in two panels.", "app.switch_mode('chat')", True, False),
    Action("app.help", "app", "f1", "Help", "All keys, and what the screen in front is for.", "app.show_help_screen", True),
    Action("app.help_plain", "app", "question_mark", "Help", "The same, for terminals that keep F1.", "app.show_help_screen", False, False),
    Action("app.palette", "app", "ctrl+p", "Palette", "Every action and theme by name.", "app.command_palette", True),
    Action("app.model", "app", "f7", "Model", "Choose the model by folder, hub name, or the demo.", "app.choose_model", True),
    Action("app.quit", "app", "f9", "Quit", "Leave. A run that trains goes on; the next start shows it.", "app.quit", True),
    Action("app.quit_plain", "app", "q", "Quit", "The same, where no text field has the focus.", "app.quit", False, False),
    Action("data.search", "data", "slash", "Search", "Only rows in which some column contains the text.", "search"),
    Action("data.language", "data", "l", "Language", "Next syslang: all, then each in the data.", "next_language"),
    Action("data.flag", "data", "s", "Split", "Next sysflag: all, then each in the data.", "next_flag"),
    Action("data.clear", "data", "x", "Clear", "Show all rows again.", "clear_filters"),
    Action("data.row", "data", "enter", "Row", "The whole row in a pane beside or over the table.", "toggle_row"),
    Action("data.ask", "data", "a", "Ask", "Take this row's instruction and input to the chat.", "ask_row"),
    Action("data.open", "data", "o", "Open", "Open another file, folder or hub data set.", "open_data"),
    Action("train.start", "train", "f5", "Start", "Start a run with these settings; it outlives this terminal.", "start_run", True),
    Action("train.stop", "train", "f6", "Stop", "Ask the run to stop at its next step and save its adapter.", "stop_run", True),
    Action("train.next", "train", "f8", "Next run", "Show the next older run, round to the newest.", "next_run", True),
    Action("chat.ask", "chat", "f5", "Ask", "Send instruction and input; the answer streams.", "ask", True),
    Action("chat.stop", "chat", "f6,escape", "Stop", "Stop the answer within two tokens.", "stop_answer", True),
    Action("chat.template", "chat", "f8", "Template", "Ask with reasoning or without: the next template.", "next_template", True),
)


def bindings(scope: Scope) -> list[Binding]:
    """The Textual bindings of one scope. An action that works everywhere takes priority over the focused widget."""
    return [
        Binding(action.keys, action.run, action.words, show=action.footer, priority=action.everywhere, id=action.id, tooltip=action.help)
        for action in ACTIONS
        if action.scope == scope
    ]
