"""A dialog with a field for a path and a list of the folder's entries that complete it.

Subclasses define what a choice means and what else is in the list. Folders are read in threads. Knows nothing of what
is in the files.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar

from textual import on
from textual.binding import BindingType
from textual.worker import get_current_worker

from core.base.sentences import with_full_stop
from tui.actions import key_bindings
from tui.common.choices import HEADING, MARK, MUTED, WARN, ChoiceLine, Choices, fit_end
from tui.common.field import Field
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.list_dialog import ListDialog
from tui.data.folder_listing import (
    FolderEntry,
    FolderListing,
    absolute_folder,
    common_prefix,
    is_openable,
    read_folder,
    short_path,
    split_path,
)

Result = TypeVar("Result")
# seconds that a key waits for a folder; less than the app waits for a key, so that the keys after it stay in order
PATIENCE = 0.4

UNPICKABLE = ("heading", "note", "named")


@dataclass(frozen=True)
class ListNote:
    """A line of the list that is not an entry of a folder."""

    kind: str
    """One of UNPICKABLE, or one of the subclass's own."""
    words: str = ""
    """What the line says; safe text."""
    value: Any = None
    """What choosing the line returns; its type depends on the kind."""


ListItem = ListNote | FolderEntry


class PathDialog(ListDialog[Result]):
    """The field is `#source`, the list `#choices`; the subclass's `compose_dialog` yields both."""

    TALL = True
    AUTO_FOCUS = "#source"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("path")
    DEFAULT_CSS = """
    PathDialog #choices { height: 1fr; min-height: 3; }
    """

    def __init__(self, here: str = "") -> None:
        """here: the folder to show first."""
        super().__init__()
        self._cwd = os.getcwd()
        self._here = here or self._cwd
        self._listing: FolderListing | None = None
        self._wanted = ""
        self._arrived = asyncio.Event()
        self._items: Sequence[ListItem] = ()
        self._untouched = True
        self._return_to = ""  # the folder that was just left for its parent: the cursor goes there

    # -- for subclasses --

    def keep(self, name: str) -> bool:
        """Whether a file of this name is listed."""
        return is_openable(name)

    def items_before(self, text: str) -> list[ListItem]:
        """The lines above the folder's entries."""
        return []

    def items_instead(self, text: str) -> list[ListItem] | None:
        """The lines in place of the folder's entries; None for the entries."""
        return None

    @property
    def asks(self) -> bool:
        """Whether the list asks a question instead; `ascend` then withdraws it."""
        return False

    def choose(self, item: ListItem) -> None:
        """A line that is not a folder has been chosen."""
        raise NotImplementedError

    def line_of(self, note: ListNote, width: int) -> ChoiceLine:
        """How a note of one of the subclass's kinds is drawn."""
        return [(fit_to_width(note.words, width), "")]

    # -- the text and its folder --

    @property
    def field(self) -> Field:
        return self.query_one("#source", Field)

    @property
    def choices(self) -> Choices:
        return self.query_one("#choices", Choices)

    @property
    def text(self) -> str:
        return self.field.value

    @property
    def _parts(self) -> tuple[str, str]:
        return ("", "") if self._untouched else split_path(self.text)

    @property
    def folder(self) -> str:
        """The folder whose entries complete the text."""
        head, _ = self._parts
        return self._here if self._untouched or not self.text else absolute_folder(head, self._cwd)

    def path_of(self, entry: FolderEntry) -> str:
        return os.path.join(self.folder, entry.name)

    def on_mount(self) -> None:
        self.text_changed()

    @on(Field.Changed, "#source")
    def catch_up(self) -> None:
        """Apply the text of the field, if it has changed."""
        if self.text != self._seen:
            self.text_changed()

    _seen: str | None = None

    def text_changed(self) -> None:
        """Show what completes the text."""
        if self._seen is not None and self.text != self._seen:
            self._untouched = False
        self._seen = self.text
        self.trouble("")
        if self.folder != self._wanted:
            self._wanted = self.folder
            self._arrived.clear()
            self.run_worker(
                partial(self._read, self.folder), thread=True, exclusive=True, group="folder", exit_on_error=False
            )
        self.lay_out()

    def put(self, text: str) -> None:
        """Replace the text, as typing does."""
        self.field.put(text)
        self.text_changed()

    def _read(self, folder: str) -> None:
        worker = get_current_worker()
        with suppress(InterruptedError):
            listing = read_folder(folder, lambda: worker.is_cancelled, self.keep)
            if not worker.is_cancelled:
                self.app.call_from_thread(self._listed, listing)

    def _listed(self, listing: FolderListing) -> None:
        if listing.path == self._wanted:
            self._listing = listing
            self._arrived.set()
            self.lay_out()

    async def listed(self) -> FolderListing | None:
        """The folder's listing, after a short wait for keys typed ahead. None where reading takes longer."""
        if self._listing is None or self._listing.path != self.folder:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), PATIENCE)
        return self._listing if self._listing is not None and self._listing.path == self.folder else None

    # -- the list --

    def lay_out(self) -> None:
        """Rebuild the list. While it has the focus, the cursor is on its first entry, or on the folder just left."""
        instead = self.items_instead(self.text)
        if instead is not None:
            items = instead
        else:
            before = self.items_before(self.text)
            items = [*before, *([ListNote("note")] if before else []), *self._folder_items()]
        self._items = items
        cursor = -1
        if self.choices.has_focus:
            folders = [item.name if isinstance(item, FolderEntry) else None for item in items]
            cursor = folders.index(self._return_to) if self._return_to in folders else 0
        self.choices.show(len(items), self._draw, cursor, self._pickable)

    def _pickable(self, index: int) -> bool:
        item = self._items[index]
        return isinstance(item, FolderEntry) or item.kind not in UNPICKABLE

    def _folder_items(self) -> list[ListItem]:
        listing, tail = self._listing, self._parts[1]
        if listing is None or listing.path != self.folder:
            return [ListNote("note", "Reading the folder …")]
        if listing.trouble:
            return [ListNote("note", with_full_stop(f"{short_path(listing.path)}: {listing.trouble}"))]
        found = listing.matching(tail)
        head: list[ListItem] = [ListNote("heading", short_path(listing.path))]
        if listing.whole and not tail:
            head.append(ListNote("whole", f"open this folder: {listing.whole}", listing))
        if not found:
            words = "no name begins with this" if tail else "nothing here can be opened"
            more = f"; {listing.left_out:,} files of other kinds" if listing.left_out else ""
            return [*head, ListNote("note", f"({words}{more})")]
        return [*head, *found]

    def _draw(self, index: int, width: int) -> ChoiceLine:
        item = self._items[index]
        if isinstance(item, FolderEntry):
            if item.is_folder:
                return [(fit_to_width(item.name + "/", width), MARK)]
            about = f"{size_words(item.size):>9}  {when_words(item.when):>10}"
            return [(fit_to_width(item.name, width - len(about) - 1), ""), (" " + about, MUTED)]
        if item.kind == "heading":
            return [(fit_to_width(item.words, width), HEADING)]
        if item.kind == "note":
            is_muted = item.words.startswith("(") or item.words.endswith("…")
            return [(fit_to_width(item.words, width), MUTED if is_muted else WARN)]
        if item.kind == "named":
            return [(fit_end(item.words, width), MUTED)]
        return self.line_of(item, width)

    # -- keys --

    def action_to_list(self) -> None:
        self.catch_up()
        self.set_focus(self.choices)
        self.choices.move_to(0)

    @on(Choices.Above)
    def _to_field(self) -> None:
        self.choices.show(self.choices.count, self._draw, -1, self._pickable)
        self.set_focus(self.field)
        self.field.cursor_position = len(self.text)

    @on(Choices.Chosen, "#choices")
    def _chosen(self, event: Choices.Chosen) -> None:
        item = self._items[event.index]
        if isinstance(item, FolderEntry) and item.is_folder:
            self.descend(item.name)
        else:
            self.choose(item)

    def descend(self, name: str) -> None:
        """Go into a listed folder; the list keeps the focus."""
        head = self._parts[0] or short_path(self.folder).rstrip("/") + "/"
        self._return_to = ""
        self.put(f"{head}{name}/")
        self.set_focus(self.choices)
        self.choices.move_to(0)

    def ascend(self) -> None:
        """Go to the parent folder."""
        folder = self.folder
        self._return_to = os.path.basename(folder)
        self.put(short_path(os.path.dirname(folder)).rstrip("/") + "/")

    @on(Choices.Typed)
    def _typed(self, event: Choices.Typed) -> None:
        tail = self._parts[1]
        if self.asks:
            if not event.character or event.key == "backspace":
                self.ascend()
        elif event.character and event.key != "backspace":
            self._return_to = ""
            self.put(("" if self._untouched else self.text) + event.character)
        elif event.key == "backspace" and tail:
            self.put(self.text[:-1])
        else:
            self.ascend()

    async def action_complete(self) -> None:
        """Complete the text as far as it is unambiguous; else go to the list, and from there to the next field."""
        if self.focused is not self.field:
            self.screen.focus_next()
            return
        self.catch_up()
        if self._untouched or not self.text:
            self.put(short_path(self.folder).rstrip("/") + "/")
        listing = await self.listed()
        if listing is None:
            return
        head, tail = self._parts
        names = [entry.name + "/" * entry.is_folder for entry in listing.matching(tail) if entry.name.startswith(tail)]
        if not names:
            names = [
                entry.name + "/" * entry.is_folder
                for entry in listing.matching(tail)
                if entry.name.casefold().startswith(tail.casefold())
            ]
        start = common_prefix(names)
        if len(start) > len(tail) or (len(names) == 1 and start != tail):
            self.put(head + start)
        elif names:
            self.action_to_list()
        else:
            self.screen.focus_next()

    async def in_thread(self, function: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Read the disk, but wait only a moment for it; `then` gets the answer when it arrives."""
        task = asyncio.ensure_future(asyncio.to_thread(function))
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        if done:
            then(task.result())
        else:
            task.add_done_callback(lambda late: then(late.result()) if self.is_running else None)


def size_words(size: int) -> str:
    """A size in bytes with its unit, at most 9 cells; empty where it is not known."""
    if size < 0:
        return ""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("KB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.5 or unit == "TB":
            return f"{amount:.1f} {unit}" if amount < 99.95 else f"{amount:.0f} {unit}"
    raise AssertionError("unreachable")


def when_words(when: float) -> str:
    """The time of day if it is today, else the date."""
    if when <= 0:
        return ""
    then, now = time.localtime(when), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%Y-%m-%d", then)
