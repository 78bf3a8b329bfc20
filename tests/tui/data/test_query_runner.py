"""Queries without a terminal: which answer is shown, where its cursor is, and what a newer query does to an older
one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.base.errors import DataError, SuironError
from core.base.row import Row
from core.data.filters import RowFilters
from tests.support.scripted_data import MILLION, ScriptedData, ScriptedSelection
from tui.data import query_runner
from tui.data.query_runner import TOP, QueryAnswer, QueryRunner
from tui.data.row_pages import PAGE

ALL_ROWS = RowFilters()
SEVEN = RowFilters(text="7")


class Job:
    """Work that waits for the test to run it, as a thread would."""

    def __init__(self, group: str, work: Callable[[Callable[[], bool]], None]) -> None:
        self.group, self.work, self.cancelled = group, work, False

    def run(self) -> None:
        self.work(lambda: self.cancelled)


class ScriptedPort:
    """A screen that only remembers what it was told."""

    def __init__(self) -> None:
        self.cursor_position = 0
        self.jobs: list[Job] = []
        self.answers: list[QueryAnswer] = []
        self.progress: list[float] = []
        self.counts_shown = 0
        self.refused: list[tuple[RowFilters, SuironError]] = []
        self.read_errors: list[SuironError] = []
        self.missing: list[int] = []
        self.pages: list[int] = []
        self.on_answer: Callable[[], None] = lambda: None

    def run_in_thread(self, group: str, work: Callable[[Callable[[], bool]], None], exclusive: bool = True) -> None:
        if exclusive:
            for job in self.jobs:
                job.cancelled = job.cancelled or job.group == group
        self.jobs.append(Job(group, work))

    def run_jobs(self) -> None:
        while self.jobs:
            self.jobs.pop(0).run()

    def call_in_app(self, function: Callable[..., None], *arguments: object) -> None:
        function(*arguments)

    def missing_pages(self) -> list[int]:
        return [page for page in self.missing if page not in self.pages]

    def show_answer(self, answer: QueryAnswer) -> None:
        self.answers.append(answer)
        if answer.cursor is not None:
            self.cursor_position = answer.cursor
        self.on_answer()

    def show_search_progress(self, filters: RowFilters, share: float) -> None:
        self.progress.append(share)

    def show_value_counts(self) -> None:
        self.counts_shown += 1

    def show_page(self, page: int, rows: list[Row]) -> None:
        self.pages.append(page)

    def show_refused_query(self, filters: RowFilters, error: SuironError) -> None:
        self.refused.append((filters, error))

    def show_read_error(self, error: SuironError) -> None:
        self.read_errors.append(error)


def opened(data: ScriptedData, row: int = 0, filters: RowFilters = ALL_ROWS) -> tuple[QueryRunner, ScriptedPort]:
    """A runner whose first query waits in its port."""
    port = ScriptedPort()
    runner = QueryRunner(port, port)
    assert not runner.open_dataset(typed(data), filters, row)
    runner.ask(filters)
    return runner, port


def typed(data: ScriptedData) -> Any:
    return data


def steps(data: ScriptedData, *selections: ScriptedSelection) -> None:
    """A search of the data set gives these, without waiting."""
    data.steps = list(selections)
    data.gate.release(len(selections) * 10)


@pytest.fixture
def every_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """No partial answer comes too soon after the one before."""
    monkeypatch.setattr(query_runner, "SHOW_EVERY", 0.0)


def test_the_first_answer_has_the_cursor_on_its_row_and_the_pages_around_it() -> None:
    runner, port = opened(ScriptedData("big.jsonl"), row=PAGE * 3 + 190)
    port.run_jobs()
    (answer,) = port.answers
    assert answer.cursor == PAGE * 3 + 190 and list(answer.pages) == [3, 4]
    assert runner.share == 1.0 and runner.shown_dataset is runner.dataset
    assert port.counts_shown == 1 and runner.value_counts["syslang"] == [("English", MILLION)]


def test_what_needs_the_counts_waits_for_the_first_ones_and_not_for_later_ones() -> None:
    runner, port = opened(ScriptedData("big.jsonl"))
    done: list[dict[str, object]] = []
    runner.when_counted(lambda: done.append(dict(runner.value_counts)))
    assert done == []
    port.run_jobs()
    assert [counts["syslang"] for counts in done] == [[("English", MILLION)]]
    runner.when_counted(lambda: done.append({}))
    assert done[1:] == [{}]
    runner.close_dataset()
    runner.when_counted(lambda: done.append({}))
    assert len(done) == 2


@pytest.mark.usefixtures("every_answer")
def test_a_search_grows_and_moves_the_cursor_once() -> None:
    data = ScriptedData("big.jsonl")
    runner, port = opened(data, row=20)
    port.run_jobs()
    steps(
        data,
        ScriptedSelection([], 0.1),
        ScriptedSelection([5], 0.4),
        ScriptedSelection([5, 20], 0.8),
        ScriptedSelection([5, 20, 30]),
    )
    runner.ask(SEVEN)
    port.run_jobs()
    assert port.progress == [0.1]
    assert [answer.cursor for answer in port.answers[1:]] == [0, 1, None]
    assert [len(answer.selection) for answer in port.answers[1:]] == [1, 2, 3]


@pytest.mark.usefixtures("every_answer")
def test_a_user_who_went_on_meanwhile_stays_where_they_are() -> None:
    data = ScriptedData("big.jsonl")
    runner, port = opened(data, row=20)
    port.run_jobs()
    steps(data, ScriptedSelection([5, 6], 0.4), ScriptedSelection([5, 6, 20]))

    def move() -> None:
        runner.anchor = 6

    port.on_answer = move
    runner.ask(SEVEN)
    port.run_jobs()
    assert [answer.cursor for answer in port.answers[1:]] == [0, None] and runner.anchor == 6


def test_partial_answers_come_no_faster_than_they_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_runner, "SHOW_EVERY", 60.0)
    data = ScriptedData("big.jsonl")
    runner, port = opened(data)
    port.run_jobs()
    steps(data, *(ScriptedSelection(range(1, 2 + n), 0.1 * (1 + n)) for n in range(9)), ScriptedSelection(range(1, 12)))
    runner.ask(SEVEN)
    port.run_jobs()
    assert [len(answer.selection) for answer in port.answers[1:]] == [1, 11]


def test_a_newer_query_ends_the_one_before() -> None:
    data = ScriptedData("big.jsonl")
    runner, port = opened(data)
    interrupted = data.interrupted
    runner.ask(RowFilters(sort="length"))
    assert data.interrupted == interrupted + 1 and [job.cancelled for job in port.jobs] == [True, False]
    port.run_jobs()
    assert [answer.filters for answer in port.answers] == [RowFilters(sort="length")]


def test_a_late_answer_to_an_older_query_is_not_shown() -> None:
    runner, port = opened(ScriptedData("big.jsonl"))
    runner.filters = SEVEN  # typed while the answer is on its way
    port.run_jobs()
    assert not port.answers and runner.selection is None


def test_an_answer_about_another_data_set_is_not_shown() -> None:
    runner, port = opened(ScriptedData("big.jsonl"))
    runner.close_dataset()
    port.run_jobs()
    assert not port.answers and runner.shown_dataset is None and not runner.value_counts


def test_after_an_edit_the_cursor_keeps_its_position_where_its_row_is_gone() -> None:
    data = ScriptedData("small.jsonl", 30)
    runner, port = opened(data, row=29)
    port.run_jobs()
    assert port.cursor_position == 29
    runner.replace_dataset(typed(ScriptedData("small.jsonl", 29)))
    runner.ask(runner.filters)
    port.run_jobs()
    assert port.answers[-1].cursor == 28


def test_an_order_begins_at_its_first_row() -> None:
    runner, port = opened(ScriptedData("big.jsonl"), row=500)
    port.run_jobs()
    runner.ask(RowFilters(sort="length"), TOP)
    port.run_jobs()
    assert port.answers[-1].cursor == 0 and runner.anchor == 0


def test_a_query_that_cannot_be_is_refused_with_its_reason() -> None:
    runner, port = opened(ScriptedData("big.jsonl"))
    port.run_jobs()
    runner.ask(RowFilters(where="wrong = 1"))
    port.run_jobs()
    ((filters, error),) = port.refused
    assert filters.where == "wrong = 1" and "there is no column wrong" in error.what and len(port.answers) == 1


def test_a_query_waits_for_the_import_and_its_first_rows_stay_in_place() -> None:
    early, whole = ScriptedData("big.jsonl", 900, ready=False), ScriptedData("big.jsonl")
    runner, port = opened(early, filters=SEVEN)
    port.run_jobs()
    assert early.asked == [RowFilters()] and not runner.is_ready and port.counts_shown == 0
    runner.ask(RowFilters())  # its rows are shown already
    assert not port.jobs
    runner.anchor = 700
    assert runner.open_dataset(typed(whole), RowFilters(), 0) and runner.anchor == 700
    runner.ask(RowFilters())
    port.run_jobs()
    assert port.answers[-1].cursor == 700 and runner.is_ready


def test_the_cursor_goes_on_to_the_last_row() -> None:
    early, whole = ScriptedData("big.jsonl", 900, ready=False, counted=False), ScriptedData("big.jsonl")
    runner, port = opened(early)
    port.run_jobs()
    runner.open_dataset(typed(whole), RowFilters(), 0)
    runner.ask(RowFilters(), to_end=True)
    port.run_jobs()
    assert port.answers[-1].cursor == MILLION - 1


async def test_asking_again_ends_with_the_answer_or_with_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_runner, "PATIENCE", 0.01)
    runner, port = opened(ScriptedData("big.jsonl"))
    await runner.ask_again(3)
    assert not port.answers  # nobody ran it, and nobody waits for ever
    port.run_jobs()
    monkeypatch.setattr(query_runner, "PATIENCE", 60.0)
    monkeypatch.setattr(port, "run_in_thread", lambda group, work, exclusive=True: work(lambda: False))
    await runner.ask_again(4)
    assert [answer.cursor for answer in port.answers] == [3, 4]


def test_pages_are_fetched_one_after_the_other_and_only_those_in_sight() -> None:
    runner, port = opened(ScriptedData("big.jsonl"))
    port.run_jobs()
    port.missing = [7, 8]
    runner.fetch_pages()
    runner.fetch_pages()
    assert len(port.jobs) == 1
    port.run_jobs()
    assert port.pages == [7, 8]


def test_a_page_of_rows_that_are_no_longer_shown_is_dropped() -> None:
    runner, port = opened(ScriptedData("big.jsonl"))
    port.run_jobs()
    port.missing = [7]
    runner.fetch_pages()
    runner.selection = typed(ScriptedSelection([1]))
    port.missing = []
    port.run_jobs()
    assert not port.pages


def test_a_page_that_cannot_be_read_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, port = opened(ScriptedData("big.jsonl"))
    port.run_jobs()

    def vanished(self: ScriptedSelection, offset: int, limit: int) -> list[Row]:
        raise DataError("the file has vanished", "big.jsonl", "Put it back")

    monkeypatch.setattr(ScriptedSelection, "page", vanished)
    port.missing = [7]
    runner.fetch_pages()
    port.run_jobs()
    assert [error.what for error in port.read_errors] == ["the file has vanished"]


def test_the_position_of_a_row_is_found_in_the_rows_shown() -> None:
    runner, port = opened(ScriptedData("small.jsonl", 30))
    port.run_jobs()
    found: list[int | None] = []
    runner.find_position(12, found.append)
    runner.find_position(31, found.append)
    port.jobs[0].cancelled = False
    port.run_jobs()
    assert found == [12, None]
    runner.find_position(5, found.append)
    runner.selection = typed(ScriptedSelection([5]))
    port.run_jobs()
    assert found == [12, None]
