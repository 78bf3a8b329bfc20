"""Asks a data set in threads which rows to show. Knows no widget.

A newer query ends an older one, and a search shows what it has found so far. While a source is still being imported,
its first rows are shown and the query waits until the whole data set is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

import msgspec

from core.base.errors import SuironError
from core.base.row import Row
from core.data.filters import RowFilters
from tui.common.readable_error import readable_error
from tui.data.row_pages import PAGE, pages_around

if TYPE_CHECKING:
    from core.data.dataset import DataSet, RowSelection

ValueCounts = dict[str, list[tuple[str, int]]]
"""By column: each value with the number of its rows, the most frequent first."""
IsCancelled = Callable[[], bool]

TOP = -1  # as an anchor: the first row of the answer, whichever it is
SHOW_EVERY = 0.1  # seconds between two partial answers of a search
PATIENCE = 2.0  # seconds that keys typed ahead wait for the rows after an edit


class QueryAnswer(msgspec.Struct, frozen=True):
    """The rows that pass the filters, as far as the search has come."""

    dataset: DataSet
    """The data set that was asked."""
    filters: RowFilters
    """What was asked."""
    selection: RowSelection
    """The rows found. `selection.share` says how much of the data set was searched, 0 to 1."""
    cursor: int | None
    """Position in the selection where the cursor goes; None where it stays, since rows were only added at the end."""
    pages: dict[int, list[Row]]
    """The pages around the cursor, by page number, so that they are drawn with the answer."""


class AppThreads(Protocol):
    """Threads beside the app's own."""

    def run_in_thread(self, group: str, work: Callable[[IsCancelled], None], exclusive: bool = True) -> None:
        """Run `work` in a thread. exclusive: earlier work of the group is cancelled."""

    def call_in_app(self, function: Callable[..., None], *arguments: object) -> None:
        """Call the function in the app's thread, from a thread, and wait for it."""


class QueryPort(Protocol):
    """Where the runner shows what it found."""

    @property
    def cursor_position(self) -> int:
        """Position of the cursor in the rows shown, from 0."""

    def missing_pages(self) -> list[int]:
        """Numbers of the pages in sight that are not loaded."""

    def show_answer(self, answer: QueryAnswer) -> None: ...

    def show_search_progress(self, filters: RowFilters, share: float) -> None:
        """Nothing has been found yet in this share of the rows, 0 to 1."""

    def show_value_counts(self) -> None:
        """`value_counts` are known now."""

    def show_page(self, page: int, rows: list[Row]) -> None: ...

    def show_refused_query(self, filters: RowFilters, error: SuironError) -> None: ...

    def show_read_error(self, error: SuironError) -> None:
        """A page of the rows shown can no longer be read."""


class _Query(msgspec.Struct, frozen=True):
    """One query, as its thread gets it."""

    dataset: DataSet
    filters: RowFilters
    anchor: int
    """Index of the row that the cursor goes to; TOP for the first row."""
    fallback: int
    """Position of the cursor where that row is not in the answer."""
    is_whole: bool
    """Answer once, with all rows, instead of bit by bit."""
    to_end: bool
    """The cursor goes to the last row of the answer."""


class QueryRunner:
    """Holds the data set that is asked, the last query and its answer."""

    def __init__(self, port: QueryPort, threads: AppThreads) -> None:
        self._port = port
        self._threads = threads
        self.dataset: DataSet | None = None
        """The data set that queries go to."""
        self.shown_dataset: DataSet | None = None
        """The data set whose rows are on the screen: after an edit, for a moment, not yet `dataset`."""
        self.filters = RowFilters()
        """The last query."""
        self.anchor = 0
        """Index of the row the user was last on. Filters that drop the row do not forget it."""
        self.selection: RowSelection | None = None
        """The last answer, perhaps a partial one."""
        self.value_counts: ValueCounts = {}
        """Values of syslang and sysflag over all rows, regardless of the filters."""
        self._counted_dataset: DataSet | None = None  # that `value_counts` are of
        self._awaiting_counts: list[Callable[[], None]] = []
        self._answered: RowFilters | None = None  # the last query, once it is answered in full
        self._caught_up = asyncio.Event()  # set when a query has been answered in full, or refused
        self._is_fetching = False

    @property
    def is_ready(self) -> bool:
        """Whether queries and edits can be answered now."""
        return self.dataset is not None and self.dataset.ready

    @property
    def share(self) -> float:
        """Share of the rows that the answer covers, 0 to 1."""
        return self.selection.share if self.selection is not None else 1.0

    # -- the data set --

    def open_dataset(self, dataset: DataSet, filters: RowFilters, row: int) -> bool:
        """Ask this data set from now on. row: index of the row to begin on.

        Returns True where it completes the source whose first rows are shown: rows, cursor and anchor then stay.
        """
        early = self.dataset
        completes = (
            early is not None and not early.ready and (early.source, early.split) == (dataset.source, dataset.split)
        )
        self.dataset = dataset
        if not completes:
            self.anchor = row
            self.selection = None
        self._answered = RowFilters() if completes and filters == RowFilters() else None
        return completes

    def replace_dataset(self, dataset: DataSet) -> None:
        """The same source after an edit."""
        self.dataset = dataset

    def close_dataset(self) -> None:
        """Forget the data set and what was asked of it."""
        if self.dataset is not None:
            self.dataset.interrupt()
        self.dataset = self.shown_dataset = self.selection = None
        self.value_counts = {}
        self._counted_dataset = self._answered = None
        self._awaiting_counts.clear()

    # -- queries --

    def ask(self, filters: RowFilters, anchor: int | None = None, to_end: bool = False) -> None:
        """Ask for the rows that pass. anchor: index of the row the cursor goes to; the one the user was last on where
        None. to_end: the cursor goes to the last row instead."""
        dataset = self.dataset
        if dataset is None:
            return
        self.filters = filters
        if anchor is not None:
            self.anchor = anchor
        if dataset.ready:
            dataset.interrupt()
            self._start(dataset, filters, to_end)
        elif self.shown_dataset is not dataset:  # also where its exact length has come since
            self._start(dataset, RowFilters(), to_end)

    async def ask_again(self, anchor: int | None = None) -> None:
        """Ask the last query once more and wait for the answer, at most `PATIENCE` seconds."""
        if self.dataset is None:
            return
        self._caught_up.clear()
        self.ask(self.filters, anchor)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._caught_up.wait(), PATIENCE)

    def _start(self, dataset: DataSet, filters: RowFilters, to_end: bool) -> None:
        # The same query again, as after an edit: its rows stay on the screen until the new ones are all known, and
        # where the row under the cursor is gone, the cursor keeps its position.
        is_repeat = filters == self._answered
        query = _Query(
            dataset,
            filters,
            self.anchor,
            fallback=self._port.cursor_position if is_repeat else 0,
            is_whole=is_repeat or not dataset.ready,
            to_end=to_end,
        )
        self._threads.run_in_thread("select", partial(self._answer_in_thread, query))

    def _answer_in_thread(self, query: _Query, is_cancelled: IsCancelled) -> None:
        try:
            self._search(query, is_cancelled)
            dataset = query.dataset
            if dataset.ready and self._counted_dataset is not dataset and not is_cancelled():
                self._threads.call_in_app(self._take_value_counts, dataset, dataset.facets())
        except Exception as error:  # whatever a source does to its reader, it is shown, and the app keeps running
            from core.data.search.running_queries import QueryInterrupted

            if not is_cancelled() and not isinstance(error, QueryInterrupted):
                self._threads.call_in_app(self._take_refusal, query, readable_error(error, query.dataset.name))

    def _search(self, query: _Query, is_cancelled: IsCancelled) -> None:
        is_shown = has_cursor = False
        shown_at = 0.0
        for selection in _selections(query):
            if is_cancelled():
                return
            is_partial = selection.share < 1
            if is_partial and time.monotonic() - shown_at < SHOW_EVERY:
                continue
            if is_partial and not len(selection):  # the rows shown before stay until there is one to show
                shown_at = time.monotonic()
                self._threads.call_in_app(self._take_progress, query, selection.share)
                continue
            cursor = None if has_cursor else _cursor_position(query, selection)
            has_cursor = has_cursor or cursor is not None
            if cursor is None and not is_shown:
                cursor = min(max(query.fallback, 0), max(len(selection) - 1, 0))
            pages = pages_around(selection, cursor) if len(selection) and cursor is not None else {}
            answer = QueryAnswer(query.dataset, query.filters, selection, cursor, pages)
            self._threads.call_in_app(self._take_answer, query, answer, is_shown)
            is_shown, shown_at = True, time.monotonic()

    def _take_answer(self, query: _Query, answer: QueryAnswer, is_later: bool) -> None:
        """is_later: rows of this query are shown already, so the user may have moved to another row."""
        dataset, selection = answer.dataset, answer.selection
        if dataset is not self.dataset or (dataset.ready and answer.filters != self.filters):
            return  # a newer query is on its way
        self.shown_dataset, self.selection = dataset, selection
        self._answered = answer.filters if selection.share >= 1 else None
        if self.anchor == TOP and answer.pages:
            self.anchor = next(iter(answer.pages.values()))[0].index
        if is_later and query.anchor != self.anchor:
            answer = msgspec.structs.replace(answer, cursor=None)
        self._port.show_answer(answer)
        if selection.share >= 1:
            self._caught_up.set()

    def _take_progress(self, query: _Query, share: float) -> None:
        if query.dataset is self.dataset and query.filters == self.filters:
            self._port.show_search_progress(query.filters, share)

    def _take_refusal(self, query: _Query, error: SuironError) -> None:
        if query.dataset is self.dataset:
            self._caught_up.set()
            self._port.show_refused_query(query.filters, error)

    def _take_value_counts(self, dataset: DataSet, counts: ValueCounts) -> None:
        if dataset is self.dataset:
            self.value_counts, self._counted_dataset = counts, dataset
            self._port.show_value_counts()
            waiting, self._awaiting_counts = self._awaiting_counts, []
            for action in waiting:
                action()

    def when_counted(self, action: Callable[[], None]) -> None:
        """Call `action` as soon as `value_counts` are known: now, or when the first count of this source arrives."""
        if self._counted_dataset is not None:
            action()
        else:
            self._awaiting_counts.append(action)

    # -- pages, one at a time and only those in sight --

    def fetch_pages(self) -> None:
        """Fetch the missing pages, one after the other."""
        if self._is_fetching or self.selection is None:
            return
        missing = self._port.missing_pages()
        if missing:
            self._is_fetching = True
            fetch = partial(self._fetch_in_thread, self.selection, missing[0])
            self._threads.run_in_thread("pages", fetch, exclusive=False)

    def _fetch_in_thread(self, selection: RowSelection, page: int, is_cancelled: IsCancelled) -> None:
        try:
            rows = selection.page(page * PAGE, PAGE)
        except Exception as error:  # the source may have gone; it is shown, and the app keeps running
            self._threads.call_in_app(self._take_read_error, selection, error)
        else:
            self._threads.call_in_app(self._take_page, selection, page, rows)

    def _take_page(self, selection: RowSelection, page: int, rows: list[Row]) -> None:
        self._is_fetching = False
        if selection is self.selection:
            self._port.show_page(page, rows)
        self.fetch_pages()

    def _take_read_error(self, selection: RowSelection, error: Exception) -> None:
        self._is_fetching = False
        if selection is self.selection and self.dataset is not None:
            self._port.show_read_error(readable_error(error, self.dataset.name))

    # -- the position of a row --

    def find_position(self, index: int, then: Callable[[int | None], None]) -> None:
        """Call `then` with the position of the row `index` in the rows shown, None where it is not among them. Not
        called if other rows are shown by that time."""
        if self.selection is not None:
            self._threads.run_in_thread("go to", partial(self._find_in_thread, self.selection, index, then))

    def _find_in_thread(
        self, selection: RowSelection, index: int, then: Callable[[int | None], None], is_cancelled: IsCancelled
    ) -> None:
        position = selection.position(index)

        def report() -> None:
            if selection is self.selection:
                then(position)

        self._threads.call_in_app(report)


def _selections(query: _Query) -> Iterable[RowSelection]:
    if query.is_whole:
        return [query.dataset.select(query.filters)]
    return query.dataset.search(query.filters)


def _cursor_position(query: _Query, selection: RowSelection) -> int | None:
    """Position where the query wants the cursor, None where the row is not in the selection."""
    if not len(selection) or query.anchor == TOP:
        return None
    return len(selection) - 1 if query.to_end else selection.position(query.anchor)
