"""Every key, as data. Bindings, footer, help (F1), command palette and the README's table are made from this table
alone.

Keys that tmux, screen or common terminals keep for themselves are not used: Ctrl+A/B (prefixes), Ctrl+S/Q (flow
control), Ctrl+Z/\\, Ctrl+H/I/J/M/[ (other keys' codes), Ctrl+Tab, Alt+digit, Ctrl+PageUp/Down and Shift+PageUp/Down
(tabs, scrollback), F10, F11, F12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

Scope = Literal["app", "data", "train", "chat", "prompts"]


@dataclass(frozen=True)
class Action:
    """id: stable name; keys: Textual's, comma-separated, the first is the one shown; words: the footer's label; help:
    one sentence; run: the Textual action; everywhere: also works while a text field has the focus; footer: shown there;
    plain: keys that do the same outside text fields, for terminals that keep the others (some editors' terminals keep
    F1, F5 and Ctrl+P)."""

    id: str
    scope: Scope
    keys: str
    words: str
    help: str
    run: str
    everywhere: bool = False
    footer: bool = True
    plain: str = ""


ACTIONS: tuple[Action, ...] = (
    Action(
        "app.data",
        "app",
        "f2",
        "Data",
        "Rows of the data: page, filter, search, read one whole.",
        "app.switch_mode('data')",
        True,
        False,
        "1",
    ),
    Action(
        "app.train",
        "app",
        "f3",
        "Train",
        "Settings of a run, its live loss curve and console.",
        "app.switch_mode('train')",
        True,
        False,
        "2",
    ),
    Action(
        "app.chat",
        "app",
        "f4",
        "Chat",
        "Ask the model; reasoning and response in two panels.",
        "app.switch_mode('chat')",
        True,
        False,
        "3",
    ),
    Action(
        "app.prompts",
        "app",
        "ctrl+t",
        "Prompts",
        "A row as it is trained: text and tokens.",
        "app.switch_mode('prompts')",
        True,
        False,
        "4",
    ),
    Action(
        "app.help",
        "app",
        "f1",
        "Help",
        "All keys, and what the screen in front is for.",
        "app.show_help_screen",
        True,
        True,
        "question_mark",
    ),
    Action(
        "app.palette",
        "app",
        "ctrl+p",
        "Palette",
        "Every action and theme by name.",
        "app.command_palette",
        True,
        True,
        "colon",
    ),
    Action(
        "app.model",
        "app",
        "f7",
        "Model",
        "Choose the model by folder, hub name, or the demo.",
        "app.choose_model",
        True,
        False,
        "m",
    ),
    Action(
        "app.quit",
        "app",
        "f9",
        "Quit",
        "Leave. A run that trains goes on; the next start shows it.",
        "app.quit",
        True,
        True,
    ),
    Action("app.leave", "app", "q", "Leave", "As F9; in the chat at the second press.", "app.leave", False, False),
    Action("app.copy", "app", "ctrl+c", "Copy", "Copy what is selected.", "app.copy_selection", False, False),
    Action(
        "data.search", "data", "slash", "Search", "Only rows with the text; Tab there chooses the column.", "search"
    ),
    Action("data.language", "data", "l", "Lang", "Next syslang: all, then each in the data.", "next_language"),
    Action("data.flag", "data", "s", "Split", "Next sysflag: all, then each in the data.", "next_flag"),
    Action("data.row", "data", "enter", "Row", "The whole row in a pane beside or under the table.", "toggle_row"),
    Action("data.edit", "data", "e", "Edit", "Write the field the cursor of the row stands on.", "edit_field"),
    Action(
        "data.doctor", "data", "h", "Doctor", "Check every row; what is found, with the way to each.", "show_doctor"
    ),
    Action("data.open", "data", "o", "Open", "Open another file, folder or hub data set.", "open_data"),
    Action("data.clear", "data", "x", "Clear", "Show all rows again, in the order of the source.", "clear_filters"),
    Action("data.sort", "data", "t", "Sort", "Order the rows by a column or by length.", "choose_sort"),
    Action("data.save", "data", "S", "Save as", "Save all rows, or those shown, as a new file.", "save_as"),
    Action(
        "data.statistics", "data", "i", "Statistics", "Languages, empty fields, lengths in tokens.", "show_statistics"
    ),
    Action("data.ask", "data", "a", "Ask", "Take this row's instruction and input to the chat.", "ask_row"),
    Action("data.undo", "data", "u", "Undo", "Take the last edit back; also after a restart.", "undo"),
    Action("data.redo", "data", "r", "Redo", "Do again what was undone.", "redo", False, False),
    Action("data.delete", "data", "d", "Delete", "Delete the row; u brings it back.", "delete_row", False, False),
    Action("data.new", "data", "n", "New row", "Write a new row behind this one.", "new_row", False, False),
    Action(
        "data.duplicate",
        "data",
        "N",
        "Duplicate",
        "The same row once more, behind this one.",
        "duplicate_row",
        False,
        False,
    ),
    Action(
        "data.edit_outside", "data", "E", "$EDITOR", "Write the field in your own editor.", "edit_outside", False, False
    ),
    Action(
        "data.difference",
        "data",
        "D",
        "Difference",
        "The row as in the source, and as it is now.",
        "show_difference",
        False,
        False,
    ),
    Action(
        "data.bulk",
        "data",
        "B",
        "Bulk",
        "Change all rows shown: a column, train and test, drop, <think>.",
        "change_all",
        False,
        False,
    ),
    Action(
        "data.mapping",
        "data",
        "c",
        "Columns",
        "Which column of the source each of the six is taken from.",
        "map_columns",
        False,
        False,
    ),
    Action("data.where", "data", "w", "Where", "Only rows that meet a condition in SQL.", "where", False, False),
    Action(
        "data.facets", "data", "F", "Facets", "Every syslang and sysflag with its count.", "show_facets", False, False
    ),
    Action("data.goto", "data", "J", "Go to", "To a row by its number.", "go_to_row", False, False),
    Action(
        "data.next_finding",
        "data",
        "right_square_bracket",
        "Next found",
        "To the next row the doctor names.",
        "finding_by(1)",
        False,
        False,
    ),
    Action(
        "data.last_finding",
        "data",
        "left_square_bracket",
        "Found before",
        "To the one before it.",
        "finding_by(-1)",
        False,
        False,
    ),
    Action(
        "data.prompts",
        "data",
        "T",
        "Template",
        "This row as it is trained: its text, its tokens.",
        "app.switch_mode('prompts')",
        False,
        False,
    ),
    Action(
        "data.problems",
        "data",
        "p",
        "Problems",
        "The rows that could not be read, and why.",
        "show_problems",
        False,
        False,
    ),
    Action(
        "data.down",
        "data",
        "down,j",
        "Next row",
        "One row down, also while a row or field is open.",
        "row_by(1)",
        False,
        False,
    ),
    Action("data.up", "data", "up,k", "Row before", "One row up.", "row_by(-1)", False, False),
    Action(
        "data.page_down",
        "data",
        "pagedown",
        "Page down",
        "One screenful down: of rows, or of a field alone.",
        "page_by(1)",
        False,
        False,
    ),
    Action("data.page_up", "data", "pageup", "Page up", "One screenful up.", "page_by(-1)", False, False),
    Action(
        "data.first",
        "data",
        "home,g",
        "First row",
        "To the first row, or the beginning of the field.",
        "row_at(0)",
        False,
        False,
    ),
    Action(
        "data.last",
        "data",
        "end,G",
        "Last row",
        "To the last row, or the end of the field.",
        "row_at(-1)",
        False,
        False,
    ),
    Action(
        "data.pane_down", "data", "space", "Read on", "The open row one screenful down.", "pane_by(1)", False, False
    ),
    Action("data.pane_up", "data", "b", "Read back", "The open row one screenful up.", "pane_by(-1)", False, False),
    Action(
        "data.line_down",
        "data",
        "shift+down",
        "Line down",
        "The open row one line down.",
        "pane_line_by(1)",
        False,
        False,
    ),
    Action(
        "data.line_up", "data", "shift+up", "Line up", "The open row one line up.", "pane_line_by(-1)", False, False
    ),
    Action(
        "data.field",
        "data",
        "tab,full_stop",
        "Next field",
        "The next field of the open row.",
        "field_by(1)",
        False,
        False,
    ),
    Action(
        "data.field_up", "data", "shift+tab,comma", "Field before", "The field before it.", "field_by(-1)", False, False
    ),
    Action(
        "data.fold",
        "data",
        "z",
        "Fold",
        "Fold the field, or show it again; the next rows keep it.",
        "toggle_fold",
        False,
        False,
    ),
    Action(
        "data.alone", "data", "f", "One field", "The field on the whole screen, and back.", "toggle_alone", False, False
    ),
    Action(
        "data.copy",
        "data",
        "y",
        "Copy field",
        "Send the field to the clipboard of your terminal.",
        "copy_field",
        False,
        False,
    ),
    Action(
        "data.back",
        "data",
        "escape",
        "Back",
        "Drop the search; close what is open; back from a failed source.",
        "back",
        False,
        False,
    ),
    Action(
        "train.start",
        "train",
        "f5",
        "Start",
        "Start a run with these settings; it outlives this terminal.",
        "start_run",
        True,
    ),
    Action(
        "train.stop",
        "train",
        "f6",
        "Stop",
        "Ask the run to stop at its next step and save its adapter.",
        "stop_run",
        True,
        True,
        "x",
    ),
    Action(
        "train.next",
        "train",
        "f8",
        "Next run",
        "Show the next older run, round to the newest.",
        "next_run",
        True,
        True,
        "n",
    ),
    Action("train.scale", "train", "y", "Log scale", "The loss on a logarithmic axis, and back.", "toggle_scale", True),
    Action("train.down", "train", "down", "Next field", "To the next setting.", "field_by(1)", False, False),
    Action("train.up", "train", "up", "Field before", "To the setting before.", "field_by(-1)", False, False),
    Action("chat.ask", "chat", "f5,ctrl+r", "Ask", "Send instruction and input; the answer streams.", "ask", True),
    Action(
        "chat.stop",
        "chat",
        "f6,escape",
        "Stop",
        "Stop the answer within two tokens; again: let go of the engine.",
        "stop_answer",
        True,
    ),
    Action(
        "chat.template",
        "chat",
        "f8",
        "Template",
        "Ask with reasoning or without: the next template.",
        "next_template",
        True,
        True,
        "t",
    ),
    Action(
        "chat.adapter",
        "chat",
        "ctrl+o",
        "Tuned",
        "Whom to ask: the base model, the newest tuned one, older ones.",
        "next_adapter",
        True,
    ),
    Action(
        "chat.base",
        "chat",
        "ctrl+g",
        "Base",
        "Ask the base model beneath the adapter, or the tuned one again.",
        "toggle_base",
        True,
    ),
    Action("prompts.next", "prompts", "n,j", "Row", "The next row, of those the data room shows.", "row_by(1)"),
    Action("prompts.before", "prompts", "p,k", "Row before", "The row before.", "row_by(-1)", False, False),
    Action(
        "prompts.problem",
        "prompts",
        "N,right_square_bracket",
        "Problem",
        "The next row left out, cut, or with a warning.",
        "problem_by(1)",
    ),
    Action(
        "prompts.problem_before",
        "prompts",
        "P,left_square_bracket",
        "Problem before",
        "The one before.",
        "problem_by(-1)",
        False,
        False,
    ),
    Action(
        "prompts.template",
        "prompts",
        "t",
        "Template",
        "As drawn by the mixture, then with each template.",
        "next_template",
    ),
    Action("prompts.view", "prompts", "v", "View", "The text, the tokens, the prompts of inference.", "next_view"),
    Action(
        "prompts.mixture", "prompts", "w", "Mixture", "Templates and weights, what is learnt; rows counted.", "mixture"
    ),
    Action("prompts.edit", "prompts", "e", "Edit", "Write the template and see the row change.", "edit"),
    Action("prompts.save", "prompts", "ctrl+o", "Save", "Save the template as your own.", "save", True, False, "S"),
    Action("prompts.ids", "prompts", "i", "Ids", "The tokens with their ids, and without.", "toggle_ids", False, False),
    Action(
        "prompts.loss", "prompts", "l", "Loss", "What is learnt: completion, response, all.", "next_loss", False, False
    ),
    Action(
        "prompts.too_long",
        "prompts",
        "o",
        "Long rows",
        "Drop them, cut their reasoning, cut their end.",
        "next_too_long",
        False,
        False,
    ),
    Action(
        "prompts.template_before",
        "prompts",
        "T",
        "Template before",
        "The template before.",
        "next_template(-1)",
        False,
        False,
    ),
    Action("prompts.down", "prompts", "down", "Line down", "One line down.", "lines_by(1)", False, False),
    Action("prompts.up", "prompts", "up", "Line up", "One line up.", "lines_by(-1)", False, False),
    Action(
        "prompts.page_down",
        "prompts",
        "pagedown,space",
        "Page down",
        "One screenful down.",
        "pages_by(1)",
        False,
        False,
    ),
    Action("prompts.page_up", "prompts", "pageup,b", "Page up", "One screenful up.", "pages_by(-1)", False, False),
    Action("prompts.first", "prompts", "home,g", "Top", "To the beginning of the row.", "to_end(-1)", False, False),
    Action("prompts.last", "prompts", "end,G", "End", "To its end.", "to_end(1)", False, False),
    Action(
        "prompts.back",
        "prompts",
        "escape",
        "Back",
        "Leave the editor, a search, a chosen template; to the data.",
        "back",
        False,
        False,
    ),
)


ROOMS: dict[Scope, tuple[str, str]] = {
    "data": (
        "Data",
        "Look at the rows before anything is trained on them: filter, search, read one whole, take it to the chat.",
    ),
    "train": ("Train", "Set up a run, start it, and watch it learn. It goes on when this terminal is closed."),
    "chat": (
        "Chat",
        "Ask the model, tuned or not; what it reasons stands apart from what it answers. Tab goes to a panel to read on.",
    ),
    "prompts": (
        "Prompts",
        "See what training sees: a row's exact text and tokens, what is learnt of it, how it was drawn; write templates.",
    ),
    "app": ("Everywhere", ""),
}


def room_name(scope: Scope) -> str:
    return ROOMS[scope][0]


def key_words(action: Action) -> list[str]:
    """The keys of an action as a person writes them, the one to show first."""
    keys = [key for group in (action.keys, action.plain) for key in group.split(",") if key]
    return [
        _KEY_WORDS.get(key, key.upper() if key[0] == "f" and key[1:].isdigit() else key.replace("ctrl+", "^"))
        for key in keys
    ]


def key_of(id: str) -> str:
    """The key to name for the action with this id."""
    return next(key_words(action)[0] for action in ACTIONS if action.id == id)


_KEY_WORDS = {
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "enter": "⏎",
    "escape": "Esc",
    "space": "Space",
    "up": "↑",
    "down": "↓",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "tab": "Tab",
    "shift+tab": "⇧Tab",
    "shift+down": "⇧↓",
    "shift+up": "⇧↑",
    "full_stop": ".",
    "comma": ",",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
}


_TAKEN_BY_FIELDS = {
    "f6",
    "f7",
    "y",
    "ctrl+c",
}  # Textual's text fields select with F6 and F7, copy with Ctrl+C and would type a letter


def bindings(scope: Scope) -> list[Binding]:
    """The Textual bindings of one scope.

    A key with priority overtakes what was typed just before it and still waits in the focused field (F5 would ask half
    a question), so only those keys have it that a text field would take for itself; all others come in their turn.
    """
    made: list[Binding] = []
    for action in ACTIONS:
        if action.scope == scope:
            shown, first = action.footer, action.everywhere and not _TAKEN_BY_FIELDS.isdisjoint(action.keys.split(","))
            made.append(
                Binding(
                    action.keys, action.run, action.words, show=shown, priority=first, id=action.id, tooltip=action.help
                )
            )
            if action.plain:
                made.append(
                    Binding(
                        action.plain, action.run, action.words, show=False, id=f"{action.id}.plain", tooltip=action.help
                    )
                )
    return made
