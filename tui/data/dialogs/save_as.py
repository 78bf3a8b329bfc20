"""The dialog that asks where rows are saved, in which format (the file's suffix), and which rows.

The core writes them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Label, Static

from core.base.safe_text import safe_line
from core.data.formats.registry import compression_of_file, format_of_file, writable_formats
from tui.actions import key_bindings, key_hints
from tui.common.choices import Choices
from tui.common.field import Field
from tui.data.dialogs.path_dialog import ListItem, ListNote, PathDialog, size_words, when_words
from tui.data.folder_listing import absolute_folder, short_path

KNOWN = writable_formats()


class SaveTarget(msgspec.Struct, frozen=True):
    """Where rows are saved, and which."""

    path: str
    """An absolute path."""
    whole: bool
    """Whether all rows are saved; else only those shown."""


class _Target(msgspec.Struct, frozen=True):
    """What is at the path now."""

    trouble: str = ""
    """Why nothing can be saved there; empty where it can."""
    size: int = -1
    """Bytes of the file there; -1 where there is none."""
    when: float = 0.0
    """When it was last changed, seconds since 1970."""


class SaveDialog(PathDialog[SaveTarget]):
    """Returns a SaveTarget. An existing file is replaced only after a confirmation.

    suggestion: a path to start with; total, shown: numbers of all rows and of those shown; sources: the files that are
    open, which are never written.
    """

    TITLE_WORDS = "Save as"
    KEY_WORDS = key_hints(
        "Enter saves",
        ("completes", "path.complete"),
        ("list", "path.go_to_list"),
        ("all/shown", "save.toggle_rows"),
        ("closes", "dialog.close"),
    )
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("save")
    DEFAULT_CSS = """
    SaveDialog #format, SaveDialog #rows { padding: 0 1; }
    SaveDialog #ask { color: $warning; text-style: bold; }
    SaveDialog #ask:focus { background: $block-cursor-background; color: $block-cursor-foreground; }
    """

    def __init__(self, suggestion: str, total: int, shown: int, sources: Sequence[str] = ()) -> None:
        super().__init__(os.path.dirname(suggestion) if os.path.isabs(suggestion) else "")
        self._suggestion, self._total, self._shown = suggestion, total, shown
        self._sources = tuple(sources)
        self._whole = shown == total
        self._asking = ""  # the path whose file would be replaced
        self._checking = False

    def compose_dialog(self) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label("Save as", classes="label")
            yield Field(
                short_path(self._suggestion), "path; its suffix is the format", id="source", select_on_focus=False
            )
        with Horizontal(classes="row"):
            yield Label("Format", classes="label")
            yield Static(id="format", classes="one")
        with Horizontal(classes="row"):
            yield Label("Rows", classes="label")
            yield Static(id="rows", classes="one")
        yield Static(classes="trouble")
        ask = Static(id="ask")
        ask.can_focus = True
        yield ask
        yield Choices(id="choices", typing=True)

    def on_mount(self) -> None:
        self.query_one("#ask").display = False
        self.field.cursor_position = len(self.field.value)
        self._untouched = False  # the path is a suggestion to edit; its folder is shown
        self._show_rows()

    def text_changed(self) -> None:
        self._untouched = False
        super().text_changed()
        self._forget_question()
        words = format_words(self.text)
        self.say("#format", Content(words) if words else Content.styled(f"given by the suffix: {KNOWN}", "$warning"))

    def _show_rows(self) -> None:
        if self._shown == self._total:
            self.say("#rows", f"all {self._total:,}")
            return
        parts = []
        for whole, words in ((False, f"the {self._shown:,} shown"), (True, f"all {self._total:,}")):
            is_chosen = whole == self._whole
            parts.append(
                Content.styled(
                    f"{'●' if is_chosen else '○'} {words}   ", "bold $accent" if is_chosen else "$text-muted"
                )
            )
        self.say(
            "#rows",
            Content("").join([*parts, Content.styled(key_hints(("changes", "save.toggle_rows")), "$text-muted")]),
        )

    def action_which(self) -> None:
        if self._shown != self._total:
            self._whole = not self._whole
            self._show_rows()

    # -- the file --

    def keep(self, name: str) -> bool:
        return bool(format_words(name))

    def choose(self, item: ListItem) -> None:
        """A file in the list: the field takes its name, to be edited or replaced."""
        if not isinstance(item, ListNote):
            head, _ = self._parts
            self.put(head + item.name)
            self.set_focus(self.field)
        else:
            self.trouble("Enter a file name.")

    def _folder_items(self) -> list[ListItem]:
        items = [item for item in super()._folder_items() if not (isinstance(item, ListNote) and item.kind == "whole")]
        if len(items) == 2 and isinstance(items[1], ListNote) and self._parts[1]:
            items[1] = ListNote("note", "(a new file here)")
        return items

    @on(Input.Submitted)
    async def _submitted(self, event: Input.Submitted) -> None:
        self.catch_up()
        text = self.text.strip()
        if self._checking:
            return
        path = absolute_folder(text, self._cwd) if text else ""
        if not text or text.endswith("/") or not format_words(os.path.basename(path)):
            has_no_name = not text or text.endswith("/")
            self.trouble(
                f"Enter a file name with the format as its suffix: {KNOWN}." if has_no_name else _unknown(text)
            )
            return
        self._checking = True
        await self.in_thread(partial(inspect_target, path, self._sources), partial(self._looked, path))

    def _looked(self, path: str, target: _Target) -> None:
        self._checking = False
        if absolute_folder(self.text.strip(), self._cwd) != path:
            return
        if target.trouble:
            self.trouble(target.trouble)
        elif target.size < 0:
            self.dismiss(SaveTarget(path, self._whole))
        else:
            self._asking = path
            ask = self.query_one("#ask", Static)
            ask.display = True
            about = f"{size_words(target.size)}, of {when_words(target.when)}"
            ask.update(
                Content(
                    f"{safe_line(os.path.basename(path), 200)} already exists ({about}).\nReplace it?"
                    f"  {key_hints(('replaces it', 'save.replace'), ('goes back', 'save.keep'))}"
                )
            )
            self.set_focus(ask)

    def action_replace(self) -> None:
        if self._asking:
            self.dismiss(SaveTarget(self._asking, self._whole))

    def action_keep(self) -> None:
        if self._asking:
            self._forget_question()
            self.set_focus(self.field)

    def action_close(self) -> None:
        if self._asking:
            self.action_keep()
        else:
            super().action_close()

    def _forget_question(self) -> None:
        self._asking = ""
        self.query_one("#ask").display = False


def format_words(name: str) -> str:
    """The format that the suffix of a file name means, in words; empty where it cannot be written."""
    file_format, compression = format_of_file(name.strip()), compression_of_file(name.strip())
    if file_format is None or file_format.load_writer is None:
        return ""
    return f"{file_format.description}, compressed with {compression}" if compression else file_format.description


def inspect_target(path: str, sources: Sequence[str]) -> _Target:
    """What is at `path`, and whether a file can be written there. Reads the disk."""
    folder = os.path.dirname(path)
    try:
        if not os.path.isdir(folder):
            return _Target(f"The folder {short_path(folder)} does not exist. Create it, or choose another.")
        if os.path.isdir(path):
            return _Target("A folder has this name. Choose another name.")
        for source in sources:
            if os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
                return _Target("This file is open as the source; it is never overwritten. Choose another name.")
        if not os.access(folder, os.W_OK | os.X_OK):
            return _Target(f"No permission to write in {short_path(folder)}. Choose another folder.")
        if not os.path.lexists(path):
            return _Target()
        about = os.stat(path)
    except (OSError, ValueError) as error:
        return _Target(f"It cannot be read ({getattr(error, 'strerror', None) or error}).")
    return _Target("", about.st_size, about.st_mtime)


def _unknown(text: str) -> str:
    suffix = os.path.splitext(text)[1]
    if not suffix:
        return f"The name needs a suffix: {KNOWN}."
    return f"{suffix} is not a format that can be written. Use {KNOWN}."
