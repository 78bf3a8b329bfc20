"""The type of an action and the sections that list the actions. Holds no action."""

from __future__ import annotations

from typing import Literal

import msgspec

Scope = Literal[
    "app",
    "data",
    "train",
    "runs",
    "chat",
    "prompts",
    "dialog",
    "help",
    "list",
    "chart",
    "preset",
    "value",
    "model",
    "path",
    "open",
    "save",
    "sort",
    "goto",
    "values",
    "statistics",
    "doctor",
    "bulk",
    "columns",
    "difference",
    "editor",
    "mixture",
    "save_template",
    "draft",
    "compare",
    "settings",
    "console",
    "samples",
]


class Action(msgspec.Struct, frozen=True):
    """One thing that a key does."""

    id: str
    """`scope.verb_object`. Users write it in keys.yaml, so it does not change."""
    keys: str
    """Textual's names of the built-in keys, separated by commas. The first one is shown."""
    label: str
    """One or two words for the footer, the help and the palette."""
    help: str
    """One sentence for the help, the palette and docs/keys.md."""
    run: str
    """The Textual action, with its parameters."""
    plain: str = ""
    """More keys, for use outside text fields: terminals inside some editors reserve F1, F5 or Ctrl+P."""
    everywhere: bool = False
    """Whether the keys also work while a text field has the focus."""
    priority: bool = False
    """Whether the keys are handled before the focused widget sees them."""
    footer: bool = False
    """Whether the footer shows it."""
    shared: str = ""
    """A key of `MEANINGS` that it shares with actions of other scopes, so that they may have the same letter."""

    @property
    def meaning(self) -> str:
        """What its letters mean: the same in every scope that binds them."""
        return self.shared or self.id

    @property
    def scope(self) -> Scope:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]  # type: ignore[return-value]  # a test checks every id

    @property
    def in_number_fields(self) -> bool:
        """Whether its letter keys work in a focused field too: the fields of the Train room take only numbers."""
        return self.scope == "train" and self.everywhere


class Section(msgspec.Struct, frozen=True):
    """The actions of one scope, as the help and docs/keys.md list them."""

    name: str
    """The heading."""
    purpose: str = ""
    """What the room is for, in one or two sentences."""
    together: tuple[str, ...] = ()
    """Scopes, or ids of single actions, whose keys work at the same time. Among them no key may have two meanings."""


MEANINGS: dict[str, str] = {
    "down": "the next row or line",
    "up": "the row or line before",
    "to_start": "the first row, or the start of what is read",
    "to_end": "the last row, or the end of what is read",
    "read_on": "one page down in what is read",
    "read_back": "one page up in what is read",
    "next_finding": "the next row with something wrong",
    "previous_finding": "the row with something wrong before",
    "undo": "undoes the last change made in this room",
    "redo": "makes the change again that was undone last",
    "edit": "edits what is selected",
    "save": "saves what is shown for later",
    "sort": "orders the rows",
    "template": "the row in its template, then in the next one",
    "difference": "compares what is selected, in Data a row with its source; again closes",
    "ask": "takes what is selected to the chat",
    "delete": "deletes what is selected; undo brings it back",
    "duplicate": "makes a copy of what is selected",
    "resume": "goes on with a run",
    "show_all": "shows everything again",
    "fold": "folds what is long",
    "log_scale": "a logarithmic axis, or a linear one",
    "view": "the next view of what is shown",
    "leave": "leaves: closes a dialog, quits from a room",
    "yes": "yes, in answer to a question",
    "no": "no, in answer to a question",
}
"""What a letter means that several scopes bind, by the `shared` of their actions."""

ANSWERS = ("yes", "no")
"""Meanings that exist only while a question is on the screen: its letters may mean something else in a room."""

ROOMS: tuple[Scope, ...] = ("data", "train", "runs", "chat", "prompts")
"""The scopes that are rooms, in the order in which the help lists them."""

SECTIONS: dict[Scope, Section] = {
    "data": Section(
        "Data",
        "Look at the rows before you train on them: filter, search, read, edit, or take one to the chat.",
        ("app",),
    ),
    "train": Section(
        "Train", "Set up a run, start it and watch it learn. It continues when you close this terminal.", ("app",)
    ),
    "runs": Section(
        "Runs",
        "All runs with what became of them. Compare them, write down what you think, go on with one, or clear it away.",
        ("app",),
    ),
    "chat": Section(
        "Chat",
        "Ask the base model or a tuned one. Reasoning and response each have a panel. Tab moves between them.",
        ("app",),
    ),
    "prompts": Section(
        "Prompts",
        "See what training sees: a row's exact text and tokens, which of them are trained, and its template."
        " Write your own templates.",
        ("app",),
    ),
    "app": Section("Everywhere"),
    "chart": Section("Train: chart", together=("train.next_chart", "train.read_chart", "app")),
    "preset": Section("Train: preset field", together=("train", "app")),
    "dialog": Section("Dialogs", together=("app.quit",)),
    "list": Section("Lists in dialogs", together=("dialog", "app.quit")),
    "help": Section("Help", together=("dialog", "app.quit", "app.help")),
    "model": Section("Dialog: Model", together=("dialog", "app.quit")),
    "path": Section("Dialogs with a path", together=("dialog", "app.quit", "list")),
    "open": Section("Dialog: Open data", together=("dialog", "app.quit", "list", "path")),
    "save": Section("Dialog: Save as", together=("dialog", "app.quit", "list", "path")),
    "sort": Section("Dialog: Sort", together=("dialog", "app.quit", "list")),
    "goto": Section("Dialog: Go to row", together=("dialog", "app.quit")),
    "values": Section("Dialog: Values and counts", together=("dialog", "app.quit", "list")),
    "statistics": Section("Dialog: Statistics", together=("dialog", "app.quit")),
    "doctor": Section("Dialog: Doctor", together=("dialog", "app.quit", "list")),
    "bulk": Section("Dialog: Change rows", together=("dialog", "app.quit", "list")),
    "columns": Section("Dialog: Columns", together=("dialog", "app.quit", "list")),
    "difference": Section("Dialog: Difference", together=("dialog", "app.quit")),
    "mixture": Section("Dialog: Mixture", together=("dialog", "app.quit", "value")),
    "value": Section("Dialog: Mixture, choice fields", together=("dialog", "app.quit")),
    "save_template": Section("Dialog: Save template", together=("dialog", "app.quit")),
    "draft": Section("Question: a template that is not saved", together=("dialog", "app.quit")),
    "compare": Section("Dialog: Compare runs", together=("dialog", "app.quit")),
    "settings": Section("Dialog: All settings", together=("dialog", "app.quit", "list")),
    "console": Section("Dialog: Console", together=("dialog", "app.quit", "list")),
    "samples": Section("Dialog: Answers of a run", together=("dialog", "app.quit")),
    "editor": Section("Field editor and new row"),
}
"""Every scope with its heading, in the order in which the help and docs/keys.md list them."""
