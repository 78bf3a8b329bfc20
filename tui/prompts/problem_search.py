"""Searches for the next row with a problem, in a thread of the Prompts room; one search at a time."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Protocol

from textual.worker import Worker, get_current_worker

from core.examples.example import ExampleMaker
from core.examples.next_problem import ProblemFinder, find_next_problem
from tui.actions import key_of
from tui.common.readable_error import readable_error
from tui.prompts.row_view_data import RowView
from tui.prompts.row_view_maker import RowViewMaker

PROGRESS_SECONDS = 1.0  # between two progress messages


class SearchScreen(Protocol):
    """The screen that a search reports to."""

    app: Any

    def run_worker(self, work: Any, **options: Any) -> Worker[Any]: ...

    def show_problem(self, row_index: int) -> None: ...

    def say(self, words: str) -> None: ...


class ProblemSearch:
    """A new search replaces the one that is running."""

    def __init__(self, screen: Any) -> None:
        self._screen: SearchScreen = screen
        self._worker: Worker[Any] | None = None

    @property
    def running(self) -> bool:
        return self._worker is not None and self._worker.is_running

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    def start(self, maker: RowViewMaker, view: RowView, step: int) -> None:
        """Search from the row of `view`, forwards where `step` is above 0, else backwards."""
        self.stop()
        work = partial(self._search_in_thread, maker, view, step)
        self._worker = self._screen.run_worker(work, thread=True, exclusive=True, group="problems", exit_on_error=False)

    def _search_in_thread(self, maker: RowViewMaker, view: RowView, step: int) -> None:
        worker = get_current_worker()
        request = view.request
        say = partial(self._screen.app.call_from_thread, self._screen.say)
        if view.choice.mixture is None:
            say(f"There is no mixture to search with: {view.choice.error}")
            return
        reported_at = time.monotonic()
        stop_key = key_of("prompts.go_back")

        def show_progress(position: int) -> None:
            nonlocal reported_at
            if time.monotonic() - reported_at > PROGRESS_SECONDS:
                reported_at = time.monotonic()
                say(f"Searching: row {position + 1:,} of {view.count:,}; {stop_key} stops.")

        try:
            selection = maker.select_rows(request.dataset, request.filters)
            tokenizer = maker.catalog.tokenizer
            finder = ProblemFinder(ExampleMaker(view.choice.mixture, request.spec.prompt, tokenizer), tokenizer)
            found = find_next_problem(
                selection,
                view.position,
                step,
                finder,
                view.trained_rows,
                show_progress,
                lambda: worker.is_cancelled,
            )
        except Exception as error:  # whatever a row or a source does, it is shown, and the app keeps running
            if not worker.is_cancelled:
                say(str(readable_error(error, request.dataset.name)))
            return
        if worker.is_cancelled:
            return
        if found is not None:
            self._screen.app.call_from_thread(self._screen.show_problem, found)
        else:
            say(f"No row {'after' if step > 0 else 'before'} this one is left out, truncated or has a warning.")
