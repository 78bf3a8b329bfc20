"""The actions that work in every room, with their built-in keys.

Keys that tmux, screen or common terminals reserve are not used here or in the other tables: Ctrl+A/B (prefixes),
Ctrl+S/Q (flow control), Ctrl+Z/\\, Ctrl+H/I/J/M/[ (other keys' codes), Ctrl+Tab, Alt+digit, Ctrl+PageUp/Down and
Shift+PageUp/Down (tabs, scrollback), F10, F11, F12.
"""

from __future__ import annotations

from tui.actions.action import Action

APP_ACTIONS: tuple[Action, ...] = (
    Action(
        "app.data",
        "f2",
        "Data",
        "Browse, filter, search and edit the rows of the data set.",
        "app.switch_mode('data')",
        plain="1",
        everywhere=True,
    ),
    Action(
        "app.train",
        "f3",
        "Train",
        "Set up a run; watch its loss curve and its console live.",
        "app.switch_mode('train')",
        plain="2",
        everywhere=True,
    ),
    Action(
        "app.runs",
        "ctrl+l",
        "Runs",
        "List all runs; compare them, write notes, go on with one or delete it.",
        "app.switch_mode('runs')",
        plain="3",
        everywhere=True,
    ),
    Action(
        "app.chat",
        "f4",
        "Chat",
        "Ask the model; see its reasoning and its response in two panels.",
        "app.switch_mode('chat')",
        plain="4",
        everywhere=True,
    ),
    Action(
        "app.prompts",
        "ctrl+t",
        "Prompts",
        "See a row as it is trained: its text and its tokens.",
        "app.switch_mode('prompts')",
        plain="5",
        everywhere=True,
    ),
    Action(
        "app.help",
        "f1",
        "Help",
        "Show all keys and what this room is for. Press it again to close.",
        "app.show_help_screen",
        plain="question_mark",
        everywhere=True,
        footer=True,
    ),
    Action(
        "app.palette",
        "ctrl+p",
        "Palette",
        "Find any action or theme by name.",
        "app.command_palette",
        plain="colon",
        everywhere=True,
        footer=True,
    ),
    Action(
        "app.model",
        "f7",
        "Model",
        "Choose a model folder, a hub name or the demo model.",
        "app.choose_model",
        plain="m",
        everywhere=True,
    ),
    Action(
        "app.quit",
        "f9",
        "Quit",
        "Quit. A run in training continues; the next start shows it.",
        "app.quit",
        everywhere=True,
        footer=True,
    ),
    Action("app.leave", "q", "Leave", "Quit. In the Chat room, press it twice.", "app.leave", shared="leave"),
    Action("app.copy", "ctrl+c", "Copy", "Copy the selected text.", "app.copy_selection"),
)
