"""What one action of the terminal is, and the sections that actions are listed in. Knows no key of any action."""

from __future__ import annotations

from typing import Literal

import msgspec

Scope = Literal[
    "app",
    "data",
    "train",
    "chat",
    "prompts",
    "dialog",
    "help",
    "list",
    "preset",
    "value",
    "model",
    "path",
    "open",
    "save",
    "sort",
    "values",
    "statistics",
    "doctor",
    "bulk",
    "columns",
    "difference",
    "editor",
    "mixture",
    "save_template",
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
    """More keys, outside text fields only: terminals of some editors keep F1, F5 or Ctrl+P for themselves."""
    everywhere: bool = False
    """Whether the keys also work while a text field has the focus."""
    priority: bool = False
    """Whether the keys are handled before the focused widget sees them."""
    footer: bool = False
    """Whether the footer shows it."""

    @property
    def scope(self) -> Scope:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]  # type: ignore[return-value]  # a test checks every id

    @property
    def in_number_fields(self) -> bool:
        """Whether its letters work in the focused field: those of the train room take numbers only."""
        return self.scope == "train" and self.everywhere


class Section(msgspec.Struct, frozen=True):
    """The actions of one scope, as the help and docs/keys.md list them."""

    name: str
    """The heading."""
    purpose: str = ""
    """What the room is for, in one or two sentences."""
    together: tuple[str, ...] = ()
    """Scopes, or ids of single actions, whose keys work at the same time: no key may mean two things among them."""


ROOMS: tuple[Scope, ...] = ("data", "train", "chat", "prompts")
"""The scopes that are rooms, in the order in which the help lists them."""

SECTIONS: dict[Scope, Section] = {
    "data": Section(
        "Data",
        "Look at the rows before you train on them: filter, search, read one in full, edit, take one to the chat.",
        ("app",),
    ),
    "train": Section(
        "Train", "Set up a run, start it and watch it learn. It continues when you close this terminal.", ("app",)
    ),
    "chat": Section(
        "Chat",
        "Ask the base model or a tuned one. Its reasoning and its response have a panel each. Tab focuses a panel.",
        ("app",),
    ),
    "prompts": Section(
        "Prompts",
        "See what training sees: a row's exact text and tokens, which of them are trained, and its template."
        " Write your own templates.",
        ("app",),
    ),
    "app": Section("Everywhere"),
    "preset": Section("Train: preset field", together=("train", "app")),
    "dialog": Section("Dialogs", together=("app.quit",)),
    "list": Section("Lists in dialogs", together=("dialog", "app.quit")),
    "help": Section("Help", together=("dialog", "app.quit", "app.help")),
    "model": Section("Dialog: Model", together=("dialog", "app.quit")),
    "path": Section("Dialogs with a path", together=("dialog", "app.quit", "list")),
    "open": Section("Dialog: Open data", together=("dialog", "app.quit", "list", "path")),
    "save": Section("Dialog: Save as", together=("dialog", "app.quit", "list", "path")),
    "sort": Section("Dialog: Sort", together=("dialog", "app.quit", "list")),
    "values": Section("Dialog: Values and counts", together=("dialog", "app.quit", "list")),
    "statistics": Section("Dialog: Statistics", together=("dialog", "app.quit")),
    "doctor": Section("Dialog: Doctor", together=("dialog", "app.quit", "list")),
    "bulk": Section("Dialog: Change rows", together=("dialog", "app.quit", "list")),
    "columns": Section("Dialog: Columns", together=("dialog", "app.quit", "list")),
    "difference": Section("Dialog: Difference", together=("dialog", "app.quit")),
    "mixture": Section("Dialog: Mixture", together=("dialog", "app.quit", "value")),
    "value": Section("Dialog: Mixture, choice fields", together=("dialog", "app.quit")),
    "save_template": Section("Dialog: Save template", together=("dialog", "app.quit")),
    "editor": Section("Field editor and new row"),
}
"""Every scope with its heading, in the order in which the help and docs/keys.md list them."""
