"""Asking the data set which rows to show, in a thread: of two questions the newer wins, and a search shows what it has
found so far.

While a source is still being imported, a question waits and is asked by itself as soon as it can be. Knows no keys and
no lines to type in.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from core.base.errors import SuironError
from core.base.row import Row
from core.data.filters import Filters
from tui.common.key_bar import KeyBar
from tui.common.readable_error import readable
from tui.data.rows import Rows
from tui.data.status_words import Facets, status_words, waiting_words
from tui.data.widgets.hits import Hits
from tui.data.widgets.rows_table import PAGE

if TYPE_CHECKING:
    from core.data.dataset import DataSet, Selection

TOP = -1  # as an anchor: the first row, whichever that is
LATER = frozenset(
    ("next_language", "next_flag", "edit_field", "undo", "show_doctor", "show_statistics", "save_as")
)  # not while a source is imported
SHOW_EVERY = 0.1  # seconds between two looks at a search that still finds rows
PATIENCE = 2.0  # seconds that keys typed ahead wait for the rows after an edit


class Asking(Rows):
    """`_facets` are those of the rows without any filter."""

    def __init__(self) -> None:
        super().__init__()
        self._facets: Facets = {}
        self._facets_of: DataSet | None = None
        self._caught_up = asyncio.Event()  # set whenever a question has been answered in full
        self._answered: Filters | None = None  # the question that was answered last, in full
        self._share = 1.0  # of the rows that the last question has looked at
        self._imported: float | None = None  # share of the source that has been imported, while it is

    # -- asking --

    def select(self, filters: Filters, anchor: int | None = None) -> None:
        """Show the rows that pass, the cursor on the row `anchor` (where the person last stood)."""
        dataset = self._dataset
        if dataset is None:
            return
        self.suiron.remember(filters=filters)
        if anchor is not None:
            self._anchor = anchor
            if anchor != TOP:
                self.suiron.remember(row=anchor)
        if not dataset.ready:
            if self._shown is not dataset:  # also where its exact length has come since
                self._ask(dataset, Filters())
            self.show_status()
            return
        dataset.interrupt()
        self._ask(dataset, filters)

    async def show_again(self, anchor: int | None = None) -> None:
        """Ask the same question once more, and wait until it is answered, but no longer than a person would."""
        self._caught_up.clear()
        self.select(self.filters, anchor)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._caught_up.wait(), PATIENCE)

    def _ask(self, dataset: DataSet, filters: Filters) -> None:
        again = (
            filters == self._answered
        )  # as after an edit: the rows stand there already, and stay until the new ones are all known
        stands = (
            self.table.cursor if again else 0
        )  # where the row is gone that the cursor stood on, it stays in its place
        whole = again or not dataset.ready
        ask = partial(self._ask_in_thread, dataset, filters, self._anchor, stands, whole, self._at_last is not None)
        self.run_worker(ask, thread=True, exclusive=True, group="select", exit_on_error=False)

    def _ask_in_thread(
        self, dataset: DataSet, filters: Filters, anchor: int, stands: int, whole: bool, last: bool
    ) -> None:
        worker = get_current_worker()
        shown, found, told = False, False, 0.0
        try:
            for selection in [dataset.select(filters)] if whole else dataset.search(filters):
                if worker.is_cancelled:
                    return
                count = len(selection)
                if selection.share < 1 and time.monotonic() - told < SHOW_EVERY:
                    continue
                if selection.share < 1 and not count:  # the rows shown before stay until there is one to show
                    told = time.monotonic()
                    self.app.call_from_thread(self._looking, filters, selection.share)
                    continue
                place = (
                    None if found or not count or anchor == TOP else count - 1 if last else selection.position(anchor)
                )
                cursor = place if place is not None else None if shown else min(max(stands, 0), max(count - 1, 0))
                pages = _pages(selection, cursor) if count and cursor is not None else {}
                self.app.call_from_thread(
                    self._selected, dataset, filters, selection, cursor, pages, anchor if shown else None
                )
                shown, found, told = True, found or place is not None, time.monotonic()
            if dataset.ready and self._facets_of is not dataset and not worker.is_cancelled:
                self.app.call_from_thread(self._counted, dataset, dataset.facets())
        except Exception as error:  # whatever a source does to its reader, it is shown, and the app stays
            from core.data.search.row_query import Interrupted

            if not worker.is_cancelled and not isinstance(error, Interrupted):
                self.app.call_from_thread(self._refused, dataset, filters, readable(error, dataset.name))

    def _refused(self, dataset: DataSet, filters: Filters, error: SuironError) -> None:
        if dataset is not self._dataset:
            return
        self._caught_up.set()
        self.question_refused(dataset, filters, error)

    def question_refused(self, dataset: DataSet, filters: Filters, error: SuironError) -> None:
        """A question that could not be answered. Those above know which of them a person can mend."""
        self.fail(dataset.name, error)

    def question_answered(self, filters: Filters) -> None:
        """Rows came; for those above."""

    def _selected(
        self,
        dataset: DataSet,
        filters: Filters,
        selection: Selection,
        cursor: int | None,
        pages: dict[int, list[Row]],
        anchor: int | None,
    ) -> None:
        """Show what was found. cursor: where to stand, None where the rows only grew at their end; anchor: the row that
        `cursor` is the place of, where rows were shown before: a person who went on meanwhile is left where they
        are."""
        if dataset is not self._dataset or (dataset.ready and filters != self.filters):
            return  # a newer question is on its way
        self._shown = dataset
        self._selection, self._share, self._answered = (
            selection,
            selection.share,
            filters if selection.share >= 1 else None,
        )
        count, table = len(selection), self.table
        hits = Hits(filters.text, filters.columns)
        table.point_out(hits, filters.sort, filters.descending)
        self.pane.point_out(hits)
        if self._anchor == TOP and pages:
            self._anchor = next(iter(pages.values()))[0].index
            self.suiron.remember(row=self._anchor)
        if cursor is None or (anchor is not None and anchor != self._anchor):
            table.grow(count)
        else:
            table.show(count, cursor, pages, max(dataset.highest, 0))
        if self._at_last is not None:
            self._at_last = table.cursor if not dataset.counted else None
            if dataset.counted:
                self.say("")
        self.question_answered(filters)
        self.show_status()
        if self._share >= 1:
            self._caught_up.set()
        if count:
            if self._noticed:
                self.notice(None)
        elif self._share < 1:
            self.notice(Content("Looking …"))
        elif len(dataset):
            self.notice(
                Content("No row passes these filters. ") + Content.styled("x shows all rows again.", "$text-muted")
            )
        else:
            self.notice(Content("There are no rows here. ") + Content.styled("o opens another source.", "$text-muted"))

    def _looking(self, filters: Filters, share: float) -> None:
        """Nothing was found yet in this share of the rows."""
        if filters == self.filters and self._dataset is not None:
            self.query_one("#status", Static).update(
                status_words(len(self._dataset), 0, share, filters, {}), layout=False
            )

    def _counted(self, dataset: DataSet, facets: Facets) -> None:
        if dataset is self._dataset:
            self._facets, self._facets_of = facets, dataset
            self.show_status()

    def show_status(self) -> None:
        """The line above the table: all rows, those shown, the filters, or what they wait for. And which keys wait."""
        dataset, selection = self._dataset, self._selection
        self.query_one(KeyBar).dim(LATER if dataset is not None and not dataset.ready else frozenset())
        if dataset is None:
            return
        if not dataset.ready:
            words = waiting_words(len(dataset), dataset.counted, self.filters, self._imported)
        else:
            shown = len(selection) if selection is not None else 0
            words = status_words(len(dataset), shown, self._share, self.filters, self._facets)
        self.query_one("#status", Static).update(words, layout=False)

    @property
    def ready(self) -> bool:
        """Whether questions and edits can be answered now; where not, it is said."""
        dataset = self._dataset
        if dataset is None:
            self.say("No data is open; o opens some.")
        elif not dataset.ready:
            self.say("The data is still being imported; press it again when that is done.")
        return dataset is not None and dataset.ready


def _pages(selection: Selection, cursor: int) -> dict[int, list[Row]]:
    """The page of the cursor, first, and the nearer of its neighbours: what stands in sight around the cursor may reach
    into that."""
    page = cursor // PAGE
    near = page + (1 if cursor % PAGE >= PAGE // 2 else -1)
    wanted = [page, *([near] if 0 <= near * PAGE < len(selection) else [])]
    return {number: selection.page(number * PAGE, PAGE) for number in wanted}
