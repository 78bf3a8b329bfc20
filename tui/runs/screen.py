"""The Runs room: the list of all runs, the selected one below it, and what is done with them.

Summaries are read in a thread when the follower says that something has changed; nothing here starts a run but one that
it goes on with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from core.base.errors import RunError, SuironError, error_sentences
from core.base.plural import counted
from core.base.safe_text import safe_line
from core.runs import launch
from core.runs.compare import with_changes
from core.runs.notes import change_notes
from core.runs.run_folder import RunFolder, find_run
from core.runs.run_index import RunIndex
from core.runs.run_reader import RunReader
from core.runs.run_summary import RunSummary
from core.runs.trash import restore_run, trash_run
from tui.actions import Scope, key_bindings, key_of
from tui.common.chart_widget import ChartWidget
from tui.common.choices import ChoiceLine, Choices
from tui.common.field import Field
from tui.common.message_line import MessageLine
from tui.common.room import Room
from tui.messages import AskRun, CloneSettings, RunsChanged, RunsMarked, ShowRun
from tui.runs.about_dialog import AboutRunDialog
from tui.runs.compare_dialog import CompareDialog
from tui.runs.run_details import run_details
from tui.runs.run_list import SORTS, heading, listed_runs, run_line

MARKS = "BCDFGH"  # the letters of other runs on a chart
_READERS_KEPT = 8


class RunsScreen(Room):
    """The keys of the room are in `tui.actions`."""

    SCOPE: ClassVar[Scope] = "runs"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("runs")
    CSS_PATH = "screen.tcss"
    AUTO_FOCUS = "#list"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012 - Textual's own declaration is no ClassVar

    def __init__(self) -> None:
        super().__init__()
        self._index = RunIndex()
        self._all: list[RunSummary] = []
        self._listed: list[RunSummary] = []
        self._changes: dict[str, str] = {}
        self._marked: list[str] = []
        self._sort = SORTS[0]
        self._deleted: list[str] = []
        self._readers: dict[str, RunReader] = {}
        self._read_once = False

    def compose_room(self) -> ComposeResult:
        yield Static(id="status")
        with Horizontal(id="filter-row"):
            yield Field(placeholder="words that a run contains", id="filter")
        yield Static(id="heading")
        yield Choices(id="list")
        with Vertical(id="below"):
            yield Static(id="details")
            yield ChartWidget(id="chart")
        yield MessageLine(id="message", hides=True)

    def on_mount(self) -> None:
        self._look_again()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self._look_again()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._draw)

    def on_runs_changed(self, message: RunsChanged) -> None:
        if self.is_current:
            self._look_again()

    # -- what is listed --

    def _look_again(self) -> None:
        self.run_worker(self._list(), group="list", exclusive=True)

    async def _list(self) -> None:
        try:
            runs = await asyncio.to_thread(self._index.list)
        except OSError as error:
            self._say(f"The runs cannot be listed ({error.strerror or error}).")
            return
        if runs != self._all or not self._read_once:
            self._all, self._read_once = runs, True
            self._changes = with_changes(runs)
            self._draw()
        await self._read_selected()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        choices = self.query_one(Choices)
        selected = self._selected()
        text = self.query_one("#filter", Field).value
        self._listed = listed_runs(self._all, text, self._sort)
        ids = [run.id for run in self._listed]
        known = {run.id for run in self._all}
        self._marked = [run_id for run_id in self._marked if run_id in known]
        self.query_one("#heading", Static).update(Content(heading(max(20, self.size.width - 4))))
        cursor = ids.index(selected.id) if selected is not None and selected.id in ids else max(0, choices.cursor)
        choices.show(len(ids), self._line, cursor)
        words = [counted(len(self._all), "run")]
        if len(self._listed) != len(self._all):
            words.append(f"{len(self._listed):,} shown")
        if self._sort != SORTS[0]:
            words.append(f"sorted by {self._sort}")
        if self._marked:
            words.append(f"{len(self._marked)} marked: {key_of('runs.compare_runs')} compares them with the selected")
        if not self._all:
            words = [f"There are no runs yet. {key_of('app.train')} opens Train, where one is started."]
        self.query_one("#status", Static).update(Content(" · ".join(words)))
        self._show_selected()

    def _line(self, index: int, width: int) -> ChoiceLine:
        run = self._listed[index]
        return run_line(run, self._mark_of(run.id), self._changes, width)

    def _mark_of(self, run_id: str) -> str:
        return MARKS[self._marked.index(run_id)] if run_id in self._marked else ""

    def _selected(self) -> RunSummary | None:
        cursor = self.query_one(Choices).cursor
        return self._listed[cursor] if 0 <= cursor < len(self._listed) else None

    @on(Choices.Moved)
    def _moved(self) -> None:
        self._show_selected()
        self.run_worker(self._read_selected(), group="read", exclusive=True)

    def _show_selected(self) -> None:
        rows = 6 if self.has_class("-tall") else max(1, self.query_one("#below").size.height)
        self.query_one("#details", Static).update(run_details(self._selected(), self._changes, rows))

    async def _read_selected(self) -> None:
        """Read the curves of the selected run and of the marked ones, where there is room for a chart."""
        run = self._selected()
        if run is None or not self.has_class("-tall"):
            return
        ids = list(dict.fromkeys([run.id, *self._marked]))
        for run_id in ids:
            await asyncio.to_thread(self._reader(run_id).read_changes)
        if self._selected() == run:
            reader = self._reader(run.id)
            longest = max(max(self._reader(each).status.total, self._reader(each).curves.last_step) for each in ids)
            others = {self._label(each): self._reader(each).curves for each in ids[1:]}
            self.query_one(ChartWidget).show(reader.curves, longest, reader.events, others)

    def _reader(self, run_id: str) -> RunReader:
        if run_id not in self._readers:
            while len(self._readers) >= _READERS_KEPT:
                del self._readers[next(iter(self._readers))]
            self._readers[run_id] = RunReader(find_run(run_id))
        return self._readers[run_id]

    def _label(self, run_id: str) -> str:
        names = {run.id: run.name or run.id for run in self._all}
        name = names.get(run_id, run_id)
        return name if list(names.values()).count(name) == 1 else f"{name} {run_id[-4:]}"

    # -- actions --

    @on(Choices.Chosen)
    def action_open_run(self) -> None:
        if run := self._selected():
            self.post_message(ShowRun(run.id))

    def action_mark_run(self) -> None:
        run = self._selected()
        if run is None:
            return
        if run.id in self._marked:
            self._marked.remove(run.id)
        elif len(self._marked) == len(MARKS):
            self._say(f"At most {len(MARKS)} runs can be marked.")
            return
        else:
            self._marked.append(run.id)
        self.post_message(RunsMarked(tuple(self._marked)))
        self._draw()
        self.query_one(Choices).action_move(1)

    def action_compare_runs(self) -> None:
        run = self._selected()
        by_id = {each.id: each for each in self._all}
        others = [by_id[run_id] for run_id in self._marked if run is None or run_id != run.id]
        runs = [each for each in ([run] if run is not None else []) + others if each.kind == "train"]
        if len(runs) < 2:
            self._say(f"Mark another run with {key_of('runs.mark_run')} first.")
            return
        self.app.push_screen(CompareDialog(runs, {each.id: RunReader(find_run(each.id)) for each in runs}))

    def action_filter_runs(self) -> None:
        self.query_one("#filter-row").add_class("-shown")
        self.query_one("#filter", Field).focus()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self._draw()

    @on(Input.Submitted, "#filter")
    def action_leave_filter(self) -> None:
        if not self.query_one("#filter", Field).value:
            self.query_one("#filter-row").remove_class("-shown")
        self.query_one(Choices).focus()

    def action_sort_runs(self) -> None:
        self._sort = SORTS[(SORTS.index(self._sort) + 1) % len(SORTS)]
        self._say(f"Sorted by {self._sort}.")
        self._draw()

    def action_show_all(self) -> None:
        self.query_one("#filter", Field).value = ""
        self._sort, self._marked = SORTS[0], []
        self.post_message(RunsMarked(()))
        self.action_leave_filter()
        self._draw()

    def action_judge(self, verdict: str) -> None:
        if run := self._selected():
            new = "" if run.verdict == verdict else verdict
            self._change(run, lambda folder: change_notes(folder.path, verdict=new))

    def action_edit_note(self) -> None:
        if run := self._selected():
            self.app.push_screen(AboutRunDialog(run), partial(self._noted, run))

    def _noted(self, run: RunSummary, written: tuple[str, str] | None) -> None:
        if written is None:
            return
        name, note = written
        changed = name if name != run.name else None
        self._change(run, lambda folder: change_notes(folder.path, name=changed, note=note))

    def action_clone_settings(self) -> None:
        run = self._selected()
        if run is None:
            return
        if not run.settings:
            self._say("The settings of this run cannot be read.")
            return
        self.post_message(CloneSettings(run.id, run.settings))

    def action_ask_run(self) -> None:
        run = self._selected()
        if run is None:
            return
        if find_run(run.id).newest_adapter() is None:
            self._say("This run has saved no adapter and no whole checkpoint yet: there is nothing to ask.")
            return
        self.post_message(AskRun(run.id, run.model))

    def action_resume_run(self) -> None:
        if run := self._selected():
            self._change(run, lambda folder: launch.resume_run(folder), f"{safe_line(run.name, 40)} goes on.")

    def action_delete_run(self) -> None:
        if run := self._selected():
            words = f"{safe_line(run.name, 40)} is in the trash. {key_of('runs.undo')} brings it back."
            self._change(run, self._trash, words)

    def _trash(self, folder: RunFolder) -> None:
        trash_run(folder)
        self._deleted.append(folder.id)

    def action_undo(self) -> None:
        if not self._deleted:
            self._say("Nothing was deleted here. `python -m core runs trash` lists the trash.")
            return
        self.run_worker(self._do(partial(self._restore, self._deleted[-1]), "It is back."), group="change")

    def _restore(self, run_id: str) -> None:
        restore_run(run_id)
        self._deleted.remove(run_id)

    def _change(self, run: RunSummary, change: Callable[[RunFolder], Any], words: str = "") -> None:
        self.run_worker(self._do(lambda: change(find_run(run.id)), words), group="change")

    async def _do(self, work: Callable[[], Any], words: str) -> None:
        try:
            await asyncio.to_thread(work)
        except SuironError as error:
            self._say(safe_line(error_sentences(error).line, 300))
        except OSError as error:
            self._say(safe_line(str(RunError(f"the disk cannot be used ({error.strerror})", "", "")), 300))
        else:
            self._say(words)
        await self._list()

    def _say(self, words: str) -> None:
        self.query_one("#message", MessageLine).say(words)
