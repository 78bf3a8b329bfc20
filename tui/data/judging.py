"""All rows at once: change them, save them, count them, have them checked, and go from one finding to the next.
Computes nothing itself."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from core.data.filters import Filters
from core.session import Session
from tui.actions import key_of
from tui.common.readable_error import readable
from tui.data.edits import UNDO, Repairing

if TYPE_CHECKING:
    import numpy as np

    from core.data.dataset import DataSet
    from core.data.editing.editor import Editor
    from core.data.export import Saved
    from core.data.importing.column_choice import Choice
    from core.quality.report import Group, Report, Statistics
    from core.quality.request import Options, What
    from tui.common.progress_dialog import Done, Progress
    from tui.data.dialogs.bulk import Bulk
    from tui.data.dialogs.columns import ColumnsChoice
    from tui.data.dialogs.doctor import Chosen
    from tui.data.dialogs.save_as import SaveAs


class Judging(Repairing):
    """`_found` are the rows of one kind of finding, which `]` and `[` go through."""

    def __init__(self) -> None:
        super().__init__()
        self._found: Group | None = None

    # -- change --

    def action_change_all(self) -> None:
        from tui.data.dialogs.bulk import BulkDialog

        selection, dataset = self._selection, self._dataset
        if not self.ready or selection is None or dataset is None:
            return
        if self._share < 1:
            self.say("The search has not looked at all rows yet.")
        elif not len(selection):
            self.say("No rows are shown.")
        else:
            self.app.push_screen(BulkDialog(len(selection), len(dataset), self._facets), self._change_chosen)

    def _change_chosen(self, bulk: Bulk | None) -> None:
        if bulk is not None and self._selection is not None:
            self.say("Changing the rows …")
            self.run_worker(self._change(bulk, self._selection.indices), group="edit", exit_on_error=False)

    async def _change(self, bulk: Bulk, indices: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        rows = f"{len(indices):,} row{'s' if len(indices) != 1 else ''}"

        def change(writer: Editor) -> str:
            if bulk.kind == "drop":
                writer.delete(indices)
                return f"{rows} dropped"
            if bulk.kind == "split":
                test, train = writer.split(indices, bulk.share, bulk.seed)
                return f"{test:,} rows are test now, {train:,} train"
            if bulk.kind == "extract":
                return f"The reasoning of {writer.extract_reasoning(indices):,} of {rows} was moved out of <think>"
            writer.fill(indices, bulk.column, bulk.value)
            return f"{bulk.column} set on {rows}" if bulk.value else f"{bulk.column} emptied on {rows}"

        await self.edit(change, lambda words: self.say(f"{words}; {UNDO} undoes it."))

    # -- save --

    def action_save_as(self) -> None:
        from tui.data.dialogs.save_as import SaveDialog

        selection, dataset = self._selection, self._dataset
        if not self.ready or selection is None or dataset is None:
            return
        paths = [str(path) for path in dataset.origin.found.paths] if dataset.origin is not None else []
        shown = len(selection) if self._share >= 1 else len(dataset)
        self.app.push_screen(SaveDialog(_suggestion(dataset), len(dataset), shown, paths), self._save_chosen)

    def _save_chosen(self, choice: SaveAs | None) -> None:
        dataset, selection = self._dataset, self._selection
        if choice is None or dataset is None:
            return
        from core.data.export import save
        from tui.common.progress_dialog import ProgressDialog

        path = Path(choice.path)

        def work(progress: Progress, cancelled: Callable[[], bool]) -> Saved:
            return save(dataset, path, None if choice.whole else selection, progress)

        self.app.push_screen(
            ProgressDialog(f"Saving {safe_line(path.name, 60)}", work, where=str(path)), partial(self._saved, path)
        )

    def _saved(self, path: Path, done: Done[Saved] | None) -> None:
        if done is None:
            self.say("Not saved.")
            return
        self.say(f"{done.value:,} rows saved in {safe_line(str(path), 200)}.")
        if done.value.aside is not None:  # the source itself, with its edits in it now: they must not be made twice
            self.suiron.open_data(self.suiron.session.data, self.suiron.session.split)

    # -- count and check --

    def action_show_statistics(self) -> None:
        self._judge("statistics", "Counting the rows", self._counts_came)

    def _counts_came(self, done: Done[Statistics | Report] | None) -> None:
        from core.quality.report import Statistics
        from tui.data.dialogs.statistics import StatisticsDialog

        if done is not None and isinstance(done.value, Statistics):
            limit = _options(self.suiron.session, self._dataset).max_length  # the counts are the same for any maximum
            self.app.push_screen(StatisticsDialog(msgspec.structs.replace(done.value, max_length=limit)))

    def action_show_doctor(self) -> None:
        self._judge("doctor", "Checking every row", self._report_came)

    def _report_came(self, done: Done[Statistics | Report] | None) -> None:
        from core.quality.report import Report
        from tui.data.dialogs.doctor import DoctorDialog

        if done is not None and isinstance(done.value, Report):
            self.app.push_screen(
                DoctorDialog(done.value, self._found.kind if self._found is not None else ""), self._group_chosen
            )

    def _judge(self, what: What, words: str, then: Callable[[Done[Statistics | Report] | None], None]) -> None:
        """Ask another process, or what is known from before, about the rows as they are now."""
        dataset = self._dataset
        if not self.ready or dataset is None:
            return
        from core.quality import client
        from tui.common.progress_dialog import ProgressDialog

        options = _options(self.suiron.session, dataset)

        def work(progress: Progress, cancelled: Callable[[], bool]) -> Statistics | Report:
            def told(so_far: client.ChildProgress) -> None:
                progress(so_far.done, so_far.total)

            try:
                return client.run(what, dataset.source, dataset.split, options, told, cancelled, dataset.fingerprint)
            except client.Cancelled as error:
                raise InterruptedError("the person cancelled it") from error

        self.app.push_screen(
            ProgressDialog(f"{words} of {safe_line(dataset.name, 60)}", work, where=dataset.name), then
        )

    def _group_chosen(self, chosen: Chosen | None) -> None:
        if chosen is None:
            return
        group = chosen.group
        self._found = group
        if chosen.fix:
            self.say("Mending the rows …")
            self.run_worker(self._fix(group), group="edit", exit_on_error=False)
        else:
            self._go_to_finding(0)

    async def _fix(self, group: Group) -> None:
        from core.quality.fixes import apply, plan

        def mend(writer: Editor) -> tuple[int, int]:
            fix = plan(writer.dataset, group)
            return apply(writer, fix), fix.left

        def told(done: tuple[int, int]) -> None:
            left = f"; {done[1]:,} are left for you" if done[1] else ""
            self.say(f"{group.title}: {done[0]:,} row{'s' if done[0] != 1 else ''} mended{left}; {UNDO} undoes.")

        await self.edit_to(mend, lambda done: int(group.indices[0]) if done[0] else None, told)

    # -- findings --

    def action_finding_by(self, by: int) -> None:
        found = self._found
        if found is None:
            self.say(f"{key_of('data.doctor')}, the doctor, finds the rows that ] and [ go through.")
            return
        rows = found.indices
        place = bisect_right(rows, self._anchor) if by > 0 else bisect_left(rows, self._anchor) - 1
        self._go_to_finding(place % found.count)

    def _go_to_finding(self, place: int) -> None:
        found, dataset = self._found, self._dataset
        if found is None or dataset is None or self._selection is None:
            return
        row, other = found.indices[place], found.other(place)
        like = f", as row {other:,}" if other is not None else ""
        words = f"finding {place + 1:,} of {found.count:,}: {safe_line(found.title, 100)}{like} · row {row:,}"
        self._anchor = row  # also where it is deleted: the next key goes on from there
        if columns := found.columns(place):
            self.pane.go_to_field(columns[0])
        if not self._noticed and not self.pane.display:
            self._pane_open = True
            self.show_panes()
        if self.filters != Filters() and self._selection.position(row) is None:
            self.action_clear_filters()  # the finding is what is looked for now
            self.select(self.filters, row)
            self.say(f"{words} · all rows are shown again")
        else:
            self.go_to(row, words)

    # -- columns --

    def action_map_columns(self) -> None:
        """Which column of the source each of the six is taken from."""
        dataset = self._dataset
        source, split = (
            (dataset.source, dataset.split)
            if dataset is not None
            else (self.suiron.session.data, self.suiron.session.split)
        )
        if dataset is None and self.suiron.data_error is not None:  # the mapping may be what is wrong
            source, split = self.suiron.data_error[0], ""
        self.run_worker(
            partial(self._choices_in_thread, source, split),
            thread=True,
            exclusive=True,
            group="columns",
            exit_on_error=False,
        )

    def _choices_in_thread(self, source: str, split: str) -> None:
        from core.data.importing.column_choice import choose

        try:
            choice = choose(source, split)
        except Exception as error:  # whatever the source does to its reader, it is said, and the app stays
            self.app.call_from_thread(self.complain, readable(error, source))
        else:
            self.app.call_from_thread(self._ask_columns, source, split, choice)

    def _ask_columns(self, source: str, split: str, choice: Choice) -> None:
        from core.data.sidecar import sidecar
        from tui.data.dialogs.columns import ColumnsDialog

        if self.app.screen is not self:
            return  # the person went on to something else
        where = str(sidecar(choice.found).mapping)
        found, candidates = choice.found, lambda column, names, rows: choice.candidates(column)
        dialog = ColumnsDialog(found.name, choice.mapping, choice.names, choice.rows, where, candidates)
        self.app.push_screen(dialog, partial(self._columns_chosen, source, split, choice))

    def _columns_chosen(self, source: str, split: str, choice: Choice, chosen: ColumnsChoice | None) -> None:
        if chosen is None:
            return
        if chosen.keep:
            try:
                choice.keep(chosen.mapping)  # a small file, once
            except SuironError as error:
                self.complain(error)
        self.suiron.open_data(source, split, chosen.mapping)


def _options(session: Session, dataset: DataSet | None) -> Options:
    """How rows would be trained, as the session stands; settings that cannot be read are the preset's."""
    from core.quality.request import Options
    from tui.common.run_settings import session_spec

    return Options.of(session_spec(session, dataset)[0])


def _suggestion(dataset: DataSet) -> str:
    """Beside the source where it lies on this disk; never the source itself."""
    root = dataset.origin.found.root if dataset.origin is not None else None
    folder = root.absolute().parent if root is not None else Path(os.getcwd())
    name = (root.name if root is not None else dataset.name.replace("/", "-")).split(".")[0] or "data"
    return str(folder / f"{name}-edited.jsonl")
