"""The way to the next row that training would not take as it is: looked for in a thread, as the mixture would train
each row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

from textual.worker import Worker, get_current_worker

from core.base.row import Row
from core.examples.mixture import Mixture
from core.examples.preview import AnyTemplate, Examiner
from core.examples.run_mixture import policy_of
from tui.common.readable_error import readable
from tui.prompts.row_view import Desk, Laid

BATCH = 256
TELL_EVERY = 1.0  # seconds


class Finder(Protocol):
    """The room that looks."""

    app: Any

    def run_worker(self, work: Any, **options: Any) -> Worker[Any]: ...

    def problem_found(self, index: int) -> None: ...

    def tell(self, words: str) -> None: ...


class ProblemSearch:
    """One search at a time; a new one takes the place of the last."""

    def __init__(self, room: Any) -> None:
        self._room: Finder = room
        self._worker: Worker[Any] | None = None

    @property
    def running(self) -> bool:
        return self._worker is not None and self._worker.is_running

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    def start(self, desk: Desk, laid: Laid, step: int) -> None:
        """From the row that is shown on, forwards or backwards."""
        self.stop()
        work = partial(self._look, desk, laid, step)
        self._worker = self._room.run_worker(work, thread=True, exclusive=True, group="problems", exit_on_error=False)

    def _look(self, desk: Desk, laid: Laid, step: int) -> None:
        worker = get_current_worker()
        request, mixture = laid.request, laid.chosen.mixture
        say = partial(self._room.app.call_from_thread, self._room.tell)
        if mixture is None:
            say(f"There is no mixture to look with: {laid.chosen.error}")
            return
        try:
            selection = desk.selection(request.dataset, request.filters)
            examiner, told = Examiner(desk.tokenizer), time.monotonic()
            for first, rows in _batches(selection, laid.place, step):
                found = _first_problem(rows, mixture, examiner, laid)
                if worker.is_cancelled:
                    return
                if found is not None:
                    self._room.app.call_from_thread(self._room.problem_found, found)
                    return
                if time.monotonic() - told > TELL_EVERY:
                    told = time.monotonic()
                    say(f"Looking: row {first + 1:,} of {len(selection):,}; Esc stops.")
            say(f"No row {'after' if step > 0 else 'before'} this one is left out, cut, or fails a check.")
        except Exception as error:  # whatever a row or a source does, it is told, and the app stays
            if not worker.is_cancelled:
                say(str(readable(error, request.dataset.name)))


def _batches(selection: Any, place: int, step: int) -> Iterator[tuple[int, list[Row]]]:
    """Rows from the one beside `place` on, in the direction of `step`, with the place of the first of each batch."""
    if step > 0:
        for first in range(place + 1, len(selection), BATCH):
            yield first, selection.page(first, BATCH)
        return
    for end in range(place, 0, -BATCH):
        first = max(0, end - BATCH)
        yield first, selection.page(first, end - first)[::-1]


def _first_problem(rows: list[Row], mixture: Mixture[AnyTemplate], examiner: Examiner, laid: Laid) -> int | None:
    spec = laid.request.spec
    flag = spec.data.train_flag if "sysflag" in laid.request.dataset.columns else ""
    trained = [row for row in rows if not flag or row.sysflag == flag]
    places = [mixture.place(row) for row in trained]
    policy, suspects = policy_of(spec.prompt), [False] * len(trained)
    for place, template in enumerate(mixture.templates):
        chosen = [at for at, one in enumerate(places) if one == place]
        for at, suspect in zip(
            chosen, examiner.suspects([trained[at] for at in chosen], template, policy) if chosen else [], strict=True
        ):
            suspects[at] = suspect
    for row, template_at, suspect in zip(trained, places, suspects, strict=True):
        if template_at is None:
            return row.index
        if suspect:
            preview = examiner.preview(row, mixture.templates[template_at], policy)
            if not preview.fits or preview.warnings:
                return row.index
    return None
