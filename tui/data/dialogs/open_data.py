"""The dialog that asks for another source of rows: typed, found in folders, or one of the recent ones.

The app opens it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Label, Static
from textual.worker import get_current_worker

from core.base.safe_text import safe_line
from core.base.sentences import with_full_stop
from core.data.locate.source_name import is_hub_name, is_pattern, resolve_source_name
from core.data.split_names import usual_split
from tui.actions import key_bindings, key_hints
from tui.common.choices import GOOD, MUTED, STRONG, ChoiceLine, Choices, fit_end
from tui.common.field import Field
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.path_dialog import ListItem, ListNote, PathDialog, when_words
from tui.data.folder_listing import FolderListing, absolute_folder, glob_matches, is_openable, read_folder, short_path

if TYPE_CHECKING:
    from core.data.recent import RecentSource

NAMED = 5  # recent sources shown above the entries of a folder


def recent_sources() -> list[RecentSource]:
    """The recent sources, newest first. Reads the disk."""
    from core.data.recent import recent_sources

    return recent_sources()


def forget_source(source: str, split: str) -> None:
    from core.data.recent import forget_recent

    forget_recent(source, split)


class OpenDialog(PathDialog[tuple[str, str]]):
    """Returns (source, split); split is empty where it does not matter.

    source, split: what is open, or was meant to be; the field shows it selected, so that typing replaces it. known:
    returns the recent sources, in a thread; forget: removes one of them, also in a thread. shown_split: the split that
    is open; read_splits: returns all of them, in a thread.
    """

    TITLE_WORDS = "Open data"
    KEY_WORDS = key_hints(
        "Enter opens",
        ("completes", "path.complete"),
        ("list", "path.go_to_list"),
        "← up",
        ("forgets", "open.forget_source"),
        ("closes", "dialog.close"),
    )
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("open")
    DEFAULT_CSS = """
    OpenDialog #split-row { visibility: hidden; &.-needed { visibility: visible; } }
    """

    def __init__(
        self,
        source: str,
        split: str,
        known: Callable[[], Sequence[RecentSource]] = recent_sources,
        forget: Callable[[str, str], None] = forget_source,
        shown_split: str = "",
        read_splits: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        folder = os.path.dirname(source) if os.path.isabs(source) else ""
        super().__init__(folder)
        self._source, self._split = source, split
        self._known, self._forget = known, forget
        self._shown_split, self._read_splits = shown_split, read_splits
        self._splits: Sequence[str] = ()  # of the source that is open
        self._recent: list[RecentSource] | None = None
        # the source whose split is being asked for, and its splits
        self._splits_of: tuple[str, tuple[str, ...]] | None = None
        self._matches: tuple[str, list[str], bool] = ("", [], False)
        self._deciding = False

    def compose_dialog(self) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label("Source", classes="label")
            yield Field(self._source, "path, pattern like *.jsonl.gz, hub name or demo", id="source")
        with Horizontal(classes="row", id="split-row"):
            yield Label("Split", classes="label")
            yield Field(self._split, "may stay empty", id="split")
        yield Static(classes="trouble")
        yield Choices(id="choices", typing=True)

    def on_mount(self) -> None:
        self.run_worker(self._read_known, thread=True, group="known", exit_on_error=False)

    def _read_known(self) -> None:
        self.app.call_from_thread(self._show_known, list(self._known()), self._read_splits())

    def _show_known(self, found: list[RecentSource], splits: Sequence[str]) -> None:
        self._recent, self._splits = found, splits
        self.lay_out()

    # -- the list --

    def text_changed(self) -> None:
        self._splits_of = None
        super().text_changed()
        text = self.text.strip()
        if self._split and not self._untouched and text != self._source:
            self._forget_split()
        if is_pattern(text) and text != self._matches[0]:
            self.run_worker(partial(self._match, text), thread=True, exclusive=True, group="match", exit_on_error=False)
        self._show_split_row()

    def _forget_split(self) -> None:
        """The split of the source that was open is not one of another source."""
        field = self.query_one("#split", Field)
        if field.value == self._split:
            field.value = ""
        self._split = ""

    def _show_split_row(self) -> None:
        listing = self._listing
        folder = (
            listing is not None
            and listing.path == self.folder
            and bool(listing.splits)
            and not self._parts[1]
            and not self._untouched
        )
        needed = is_hub_name(self.text.strip()) or folder or bool(self.query_one("#split", Field).value)
        self.query_one("#split-row").set_class(needed, "-needed")
        self.query_one("#split").can_focus = needed
        if folder and listing is not None:
            self.query_one("#split", Field).placeholder = " or ".join(
                safe_line(name, 20) for name in listing.splits[:8]
            )

    def lay_out(self) -> None:
        super().lay_out()
        self._show_split_row()

    def _match(self, pattern: str) -> None:
        worker = get_current_worker()
        try:
            found, more = glob_matches(pattern, lambda: worker.is_cancelled)
        except (InterruptedError, OSError, ValueError):
            return
        if not worker.is_cancelled:
            self.app.call_from_thread(self._matched, pattern, found, more)

    def _matched(self, pattern: str, found: list[str], more: bool) -> None:
        self._matches = (pattern, found, more)
        self.lay_out()

    def _is_pattern(self, text: str) -> bool:
        return resolve_source_name(text.strip(), self._cwd).kind == "pattern"

    def items_before(self, text: str) -> list[ListItem]:
        text = "" if self._untouched else text.strip()
        if "/" in text:
            return []
        if self._recent is None:
            return [ListNote("note", "Reading the recent sources …")]
        fitting = [recent for recent in self._recent if text.casefold() in recent.source.casefold()]
        if text:
            fitting = fitting[:NAMED]
        items: list[ListItem] = [ListNote("recent", value=recent) for recent in fitting]
        if text in "demo" and not any(recent.source == "demo" for recent in fitting):
            items.append(ListNote("demo"))
        recent = [ListNote("heading", "Recent" if fitting else "Built in"), *items] if items else []
        return [*self._split_items(), *recent] if self._untouched else recent

    def _split_items(self) -> list[ListItem]:
        """The splits of the source that is open, so that another can be chosen."""
        if not self._splits:
            return []
        heading = f"Splits of {safe_line(short_path(self._source), 200)}"
        return [ListNote("heading", heading), *(ListNote("split", safe_line(name), name) for name in self._splits)]

    def items_instead(self, text: str) -> list[ListItem] | None:
        if self._splits_of is not None:
            source, splits = self._splits_of
            name = safe_line(short_path(source), 200)
            return [
                ListNote("heading", f"Which split of {name}?"),
                *(ListNote("split", safe_line(split), split) for split in splits),
            ]
        if not self._untouched and self._is_pattern(text):
            pattern, found, more = self._matches
            if pattern != text.strip():
                return [ListNote("note", "Looking for files …")]
            if not found:
                return [ListNote("note", "No file that can be opened matches this pattern.")]
            count = f"more than {len(found):,}" if more else f"{len(found):,}"
            words = f"open {count} file{'s' if len(found) != 1 else ''} as one data set"
            return [
                ListNote("pattern", words, text.strip()),
                *(ListNote("named", safe_line(short_path(path), 4000)) for path in found),
            ]
        return None

    def line_of(self, note: ListNote, width: int) -> ChoiceLine:
        if note.kind == "recent":
            recent: RecentSource = note.value
            rows = f"{recent.rows:,} row{'' if recent.rows == 1 else 's'}" if recent.rows else ""
            about = f"{rows:>14}  {when_words(recent.when):>10}"
            name = short_path(recent.source) + (f" [{recent.split}]" if recent.split else "")
            if width < 50:
                return [(fit_end(name, width), "")]
            return [(fit_end(name, width - len(about) - 1), ""), (f" {about}", MUTED)]
        if note.kind == "demo":
            return [("demo", ""), ("  the embedded data set", MUTED)]
        if note.kind in ("whole", "pattern"):
            return [(fit_to_width(note.words, width), GOOD)]
        if note.kind == "split" and self._splits_of is None and note.value == self._shown_split:
            mark = " · shown now"
            return [(fit_to_width(note.words, min(cell_len(note.words), width - len(mark))), STRONG), (mark, MUTED)]
        return [(fit_to_width(note.words, width), STRONG)]

    # -- choosing --

    def choose(self, item: ListItem) -> None:
        if not isinstance(item, ListNote):
            self.dismiss((self.path_of(item), ""))
        elif item.kind == "recent":
            self.dismiss((item.value.source, item.value.split))
        elif item.kind == "demo":
            self.dismiss(("demo", ""))
        elif item.kind == "pattern":
            self.dismiss((item.value, ""))
        elif item.kind == "split":
            self.dismiss((self._splits_of[0] if self._splits_of is not None else self._source, item.value))
        elif item.kind == "whole":
            self._open_folder(item.value)

    def _open_folder(self, listing: FolderListing) -> None:
        split = self._chosen_split
        if len(listing.splits) > 1 and not split:
            usual = usual_split(listing.splits)  # under the cursor, so that Enter opens what no name would open
            self._splits_of = (listing.path, tuple(sorted(listing.splits, key=lambda name: name != usual)))
            self.set_focus(self.choices)
            self.lay_out()
        else:
            self.dismiss((listing.path, split))

    @property
    def _chosen_split(self) -> str:
        """The text of the split's field; empty where it is hidden."""
        shown = self.query_one("#split-row").has_class("-needed")
        return self.query_one("#split", Field).value.strip() if shown else ""

    @on(Input.Submitted)
    async def _submitted(self, event: Input.Submitted) -> None:
        self.catch_up()
        text = self.text.strip()
        if not text or self._deciding:
            return
        split = self._chosen_split
        path = absolute_folder(text, self._cwd)
        if text == "demo" or is_pattern(text) or is_openable(text.rstrip("/")):
            self.dismiss((text, split))  # the app says if it cannot be opened
            return
        self._deciding = True
        await self.in_thread(
            lambda: read_folder(path) if os.path.isdir(path) else None, partial(self._decide, text, split)
        )

    def _decide(self, text: str, split: str, listing: FolderListing | None) -> None:
        """What Enter means for a text that may be a folder, the start of a name, or a hub name."""
        self._deciding = False
        if self.text.strip() != text:
            return
        if listing is None:
            known = self._listing is not None and self._listing.path == self.folder
            if not is_hub_name(text) and known and any(not isinstance(item, ListNote) for item in self._items):
                self.action_to_list()  # the names that begin with it
            else:
                self.dismiss((text, split))
        elif listing.trouble:
            self.trouble(with_full_stop(f"{short_path(listing.path)}: {listing.trouble}"))
        elif listing.whole and (split or self._untouched):
            self.dismiss((text, split))
        elif listing.whole:
            self._open_folder(listing)
        elif text.endswith("/") and not self._untouched and not listing.entries:
            self.trouble("Nothing in this folder can be opened.")
        else:
            self.put(text.rstrip("/") + "/")
            self.action_to_list()

    # -- keys --

    @property
    def asks(self) -> bool:
        return self._splits_of is not None

    def ascend(self) -> None:
        if self._splits_of is not None:
            self._splits_of = None
            self.lay_out()
        else:
            super().ascend()

    def action_into(self) -> None:
        """In the list: go into the folder under the cursor."""
        position = self.choices.cursor
        if self.choices.has_focus and position >= 0:
            item = self._items[position]
            if not isinstance(item, ListNote) and item.is_folder:
                self.descend(item.name)

    def action_forget(self) -> None:
        """In the list: remove a recent source; its data stays."""
        position = self.choices.cursor
        item = self._items[position] if self.choices.has_focus and position >= 0 else None
        if isinstance(item, ListNote) and item.kind == "recent" and self._recent is not None:
            recent: RecentSource = item.value
            self._recent.remove(recent)
            self.run_worker(partial(self._forget_in_thread, recent), thread=True, group="forget", exit_on_error=False)
            self.lay_out()
            self.choices.move_to(position)

    def _forget_in_thread(self, recent: RecentSource) -> None:
        try:
            self._forget(recent.source, recent.split)
        except OSError as error:
            self.app.call_from_thread(self.trouble, f"It cannot be removed from the list ({error.strerror or error}).")
