"""Which rows are shown: the search bar, the condition bar, order, values, and what happens while a large source is
imported."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from textual.widgets import Input, Label, Static

from core.base.errors import DataError
from core.data.filters import RowFilters
from tests.support.data_room import SIZES, RoomUser, opened
from tests.support.rooms import until
from tests.support.scripted_data import MILLION, ScriptedData, ScriptedSelection
from tui.common.key_bar import KeyBar
from tui.data.dialogs.facets import FacetsDialog
from tui.data.dialogs.goto_row import GotoDialog
from tui.data.dialogs.sort import SortDialog


def searched_in(user: RoomUser) -> str:
    return str(user.room.query_one("#search-in", Label).visual)


@pytest.mark.parametrize("size", SIZES)
async def test_tab_in_the_search_line_chooses_the_column(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        await user.press("slash")
        assert "all columns" in searched_in(user)
        await user.press("tab", "tab", "tab", *"12")
        assert "reasoning" in searched_in(user)
        await until(user.pilot, lambda: user.app.session.filters == RowFilters(text="12", columns=("reasoning",)))
        await user.press("enter")
        await until(user.pilot, lambda: "/12 in reasoning" in user.reads("#status"))
        assert user.row is not None and "12" in user.row.reasoning
        await user.press("slash", "shift+tab", "shift+tab", "shift+tab", "enter")
        await until(user.pilot, lambda: user.app.session.filters == RowFilters(text="12"))
        await user.press("slash", "escape")
        assert user.app.session.filters == RowFilters()


@pytest.mark.parametrize("size", SIZES)
async def test_a_condition_in_sql_and_one_that_is_wrong(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        where = user.room.query_one("#where", Input)
        await user.press("w", *"output = '12'", "enter")
        await user.until_shown(1)
        await until(user.pilot, lambda: not user.room.condition_bar.is_open and user.table.has_focus)
        assert "where output = '12'" in user.reads("#status")
        await user.press("w", "end", *" and nonsense")
        assert user.room.condition_bar.size.height == 1  # the rows keep the rest of the screen
        await user.press("enter")
        await until(user.pilot, lambda: "nonsense" in user.reads("#where-state") and where.has_focus)
        assert user.room.condition_bar.is_open and where.value.endswith("nonsense")  # there to be corrected
        assert "nonsense" in user.reads("#where-state") and user.app.session.filters.where == "output = '12'"
        await user.press(*["backspace"] * len(" and nonsense"), "enter")
        await until(user.pilot, lambda: not user.room.condition_bar.is_open)
        await user.press("w", "up", "up")
        assert where.value == "output = '12'"  # those asked before come back
        await user.press("down", "down", "down", "enter")
        await until(user.pilot, lambda: "shown" not in user.reads("#status"))


SEARCHING = "searching …  Esc cancels"


@pytest.mark.parametrize("size", SIZES)
async def test_a_condition_shows_that_it_is_searched_for_and_can_be_cancelled(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    data = ScriptedData("big.jsonl")
    data.steps = [ScriptedSelection([7, 700_000, 800_000])]
    monkeypatch.setattr("core.data.source.open_early", lambda source, split, mapping: data)
    async with opened("big.jsonl", size) as user:
        await user.press("w", *"slow", "enter")
        assert user.reads("#where-state") == SEARCHING  # before any answer
        assert "0% searched" in user.reads("#status") and user.table.row_count == MILLION
        await user.press("escape")
        await until(user.pilot, lambda: "where" not in user.reads("#status"))
        bar = user.room.condition_bar
        assert bar.is_open and user.room.query_one("#where", Input).value == "slow" and data.interrupted
        assert "Cancelled" in user.reads("#where-state") and user.table.row_count == MILLION
        data.gate = threading.Semaphore(0)  # the thread that was cancelled no longer waits at it
        await user.press("enter")
        assert user.reads("#where-state") == SEARCHING
        data.gate.release()
        await user.until_shown(3)
        await user.until_said("3 rows meet the condition.")
        await until(user.pilot, lambda: not bar.is_open and user.table.has_focus)
        await user.press("w", "escape")  # nothing is searched for: Esc closes
        assert not bar.is_open and user.app.session.filters.where == "slow"


async def test_the_seconds_of_a_long_search_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ScriptedData("big.jsonl")
    data.steps = [ScriptedSelection([7])]
    monkeypatch.setattr("core.data.source.open_early", lambda source, split, mapping: data)
    async with opened("big.jsonl", (80, 24)) as user:
        await user.press("w", *"slow", "enter")
        await until(user.pilot, lambda: "searching … 1 s" in user.reads("#where-state"))
        data.gate.release()
        await user.until_said("1 row meets the condition.")


async def test_where_and_search_do_not_stand_in_each_others_way(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("w", *"row < 90", "enter")
        await user.until_shown(90)
        await user.press("slash", *"plus", "enter")
        await user.until_shown(30)
        await user.press("l", "x")
        await until(
            user.pilot, lambda: user.app.session.filters == RowFilters() and "shown" not in user.reads("#status")
        )
        assert user.room.query_one("#search", Input).value == ""


@pytest.mark.parametrize("size", SIZES)
async def test_rows_are_ordered_and_the_header_says_how(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        await user.press("t")
        await until(user.pilot, lambda: isinstance(user.app.screen, SortDialog))
        await user.press("down", "enter")  # the length of the whole row, the longest first
        await until(
            user.pilot, lambda: user.app.session.filters.sort == "length" and "by length ▼" in user.reads("#status")
        )
        await until(user.pilot, lambda: "▼#" in user.lines()[0])
        assert user.row is not None and len(user.row.instruction) > 15
        await user.press("x")
        await until(user.pilot, lambda: "▼" not in user.lines()[0])


async def test_a_value_is_chosen_from_all_there_are(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await until(user.pilot, lambda: "English 150" in user.reads("#status"))
        await user.press("F")
        await until(user.pilot, lambda: isinstance(user.app.screen, FacetsDialog))
        await user.press("enter")
        await user.until_shown(150)
        assert user.app.session.filters.syslang


def trouble(user: RoomUser) -> str:
    return str(user.app.screen.query_one(".trouble", Static).visual)


async def test_a_row_is_gone_to_by_its_number(rows_file: Path) -> None:
    async with opened(rows_file, (80, 24)) as user:
        await user.press("J")
        await until(user.pilot, lambda: isinstance(user.app.screen, GotoDialog))
        await user.press(*"401", "enter")
        await user.until_on_row(401)
        await user.press("slash", *"plus", "enter")
        await user.until_shown(150)
        await user.press("J", *"4", "enter")  # Japanese, which the search hides
        await until(user.pilot, lambda: user.app.screen.query_one("#numbers").has_focus)
        assert [(row.number, row.is_hidden) for row in user.app.screen._near][:3] == [(4, True), (0, False), (3, False)]
        await user.press("down", "down", "enter")
        await user.until_on_row(3)
        await user.press("J", *"999", "enter")
        await until(user.pilot, lambda: isinstance(user.app.screen, GotoDialog) and "0 to 449" in trouble(user))
        await until(user.pilot, lambda: user.app.screen.query_one("#numbers").has_focus)
        await user.press("enter")
        await user.until_on_row(447)  # the nearest
        await user.press("J", *"4", "enter")
        await until(user.pilot, lambda: user.app.screen.query_one("#numbers").has_focus)
        await user.press("enter")
        await user.until_on_row(4)
        await user.until_said("Row 4: all rows are shown again")


def scripted(
    monkeypatch: pytest.MonkeyPatch, early: ScriptedData, whole: ScriptedData, imported: threading.Event
) -> None:
    def complete(dataset: ScriptedData, progress: object) -> ScriptedData:
        progress(42, 100)  # type: ignore[operator]
        assert imported.wait(10)
        return whole

    monkeypatch.setattr("core.data.source.open_early", lambda source, split, mapping: early)
    monkeypatch.setattr("core.data.source.finish_import", complete)


@pytest.mark.parametrize("size", SIZES)
async def test_a_large_source_is_paged_at_once_and_what_was_asked_waits(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    imported = threading.Event()
    early, whole = ScriptedData("big.jsonl", 999_000, ready=False, counted=False), ScriptedData("big.jsonl")
    whole.steps = [ScriptedSelection([7, 700_000])]
    whole.gate.release()
    scripted(monkeypatch, early, whole, imported)
    async with opened("big.jsonl", size) as user:
        await until(user.pilot, lambda: "importing 42%" in user.reads("#status"))
        assert "at least 999,000 rows" in user.reads("#status")
        await user.press("G", "up")
        await user.until_on_row(998_998)
        top = user.table.scroll_offset.y
        await user.press("l", "d")
        await user.until_said("still being imported")
        await user.press("slash", *"7", "enter")
        await until(user.pilot, lambda: "search starts when it is done" in user.reads("#status"))
        assert user.table.row_count == 999_000 and user.table.scroll_offset.y == top
        imported.set()
        await user.until_shown(2)  # the question is asked by itself
        assert whole.asked[-1].text == "7" and early.asked == [RowFilters()]


async def test_the_whole_takes_the_place_of_the_early_rows_and_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = threading.Event()
    early, whole = ScriptedData("big.jsonl", ready=False), ScriptedData("big.jsonl")
    scripted(monkeypatch, early, whole, imported)
    async with opened("big.jsonl", (80, 24)) as user:
        await user.press("enter", "tab", "pagedown", *["down"] * 3)
        row, top = user.row, user.table.scroll_offset.y
        imported.set()
        await until(user.pilot, lambda: "importing" not in user.reads("#status") and "English" in user.reads("#status"))
        assert (
            user.row == row and user.table.scroll_offset.y == top and user.pane.display and user.pane.field == "input"
        )
        assert user.table.row_count == MILLION


async def test_an_import_that_fails_is_said_and_another_source_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    early = ScriptedData("gone.jsonl", ready=False)

    def complete(dataset: ScriptedData, progress: object) -> ScriptedData:
        raise DataError("the file has vanished", "gone.jsonl", "Put it back")

    monkeypatch.setattr(
        "core.data.source.open_early",
        lambda source, split, mapping: early if source == "gone.jsonl" else ScriptedData(source, 30),
    )
    monkeypatch.setattr("core.data.source.finish_import", complete)
    async with opened("gone.jsonl") as user:
        await until(user.pilot, lambda: "The file has vanished" in user.reads("#notice"))
        user.app.open_data("other.jsonl")
        await until(user.pilot, lambda: user.table.display and user.table.row_count == 30)


async def test_another_source_ends_the_import_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    going = threading.Event()

    def complete(dataset: ScriptedData, progress: object) -> ScriptedData:
        try:
            while True:
                progress(1, 100)  # type: ignore[operator]
                going.set()
                threading.Event().wait(0.01)
        finally:
            ended.set()

    monkeypatch.setattr(
        "core.data.source.open_early",
        lambda source, split, mapping: ScriptedData(source, 30, ready=source != "big.jsonl"),
    )
    monkeypatch.setattr("core.data.source.finish_import", complete)
    async with opened("big.jsonl") as user:
        await until(user.pilot, going.is_set)
        user.app.open_data("other.jsonl")
        await until(
            user.pilot,
            lambda: ended.is_set() and user.table.row_count == 30 and "importing" not in user.reads("#status"),
        )
        assert user.app.session.data == "other.jsonl" and user.app.data_error is None


async def test_a_search_shows_what_it_has_found_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ScriptedData("big.jsonl")
    data.steps = [
        ScriptedSelection([], 0.1),
        ScriptedSelection(range(12), 0.4),
        ScriptedSelection(range(300), 0.8),
        ScriptedSelection(range(450)),
    ]
    monkeypatch.setattr("core.data.source.open_early", lambda source, split, mapping: data)
    async with opened("big.jsonl", (80, 24)) as user:
        monkeypatch.setattr("tui.data.query_runner.SHOW_EVERY", 0.0)
        await user.press("slash", *"7", "enter")
        data.gate.release()
        await until(user.pilot, lambda: "0 so far, 10% searched" in user.reads("#status"))
        assert user.table.display and user.table.row_count == MILLION  # the rows before stay until there is one to show
        data.gate.release()
        await until(user.pilot, lambda: "12 so far, 40% searched" in user.reads("#status"))
        assert user.table.row_count == 12
        await user.press("end")
        await user.until_on_row(11)
        data.gate.release()
        await until(user.pilot, lambda: user.table.row_count == 300)
        await user.until_on_row(11)
        await user.press("end")
        await user.until_on_row(299)
        data.gate.release()
        await user.until_shown(450)
        await user.until_on_row(299)


async def test_a_newer_question_ends_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ScriptedData("big.jsonl")
    data.steps = [ScriptedSelection(range(9))]
    monkeypatch.setattr("core.data.source.open_early", lambda source, split, mapping: data)
    async with opened("big.jsonl") as user:
        await user.press("slash", *"one", "enter")
        await until(user.pilot, lambda: data.asked[-1].text == "one")
        before = data.interrupted
        await user.press("x")
        await until(user.pilot, lambda: data.asked[-1] == RowFilters() and data.interrupted > before)
        data.gate.release()
        await until(user.pilot, lambda: "shown" not in user.reads("#status") and user.table.row_count == MILLION)
        assert user.app.data_error is None and user.table.display


async def test_what_is_written_while_a_condition_is_asked_is_kept(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("w", *"length(output) >", "enter", "enter", *" 1000")
        await until(user.pilot, lambda: user.reads("#where-state") not in ("", SEARCHING))
        assert user.room.query_one("#where", Input).value == "length(output) > 1000"
        await user.press("enter")
        await until(user.pilot, lambda: not user.room.condition_bar.is_open and user.table.row_count == 0)


async def test_a_chosen_order_begins_at_its_first_row(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("G")
        await user.press("t", "down", "enter")
        await until(
            user.pilot,
            lambda: user.app.screen is user.room and bool(user.room.filters.sort) and user.table.cursor == 0,
        )


async def test_the_last_row_asked_for_before_the_count_is_the_true_last(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = threading.Event()
    early, whole = ScriptedData("big.jsonl", 999_000, ready=False, counted=False), ScriptedData("big.jsonl")
    scripted(monkeypatch, early, whole, imported)
    async with opened("big.jsonl") as user:
        await user.press("G")
        await user.until_on_row(998_999)
        await user.until_said("move on to the true last row")
        imported.set()
        await user.until_on_row(999_999)


async def test_keys_that_wait_for_the_import_are_dim(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = threading.Event()
    early, whole = ScriptedData("big.jsonl", ready=False), ScriptedData("big.jsonl")
    scripted(monkeypatch, early, whole, imported)

    def dim(user: RoomUser, words: str) -> bool:
        content = user.room.query_one(KeyBar).render()
        return any("dim" in str(span.style) for span in content.spans if words in content.plain[span.start : span.end])

    async with opened("big.jsonl") as user:
        await until(user.pilot, lambda: dim(user, "Doctor") and dim(user, "Edit") and not dim(user, "Search"))
        imported.set()
        await until(user.pilot, lambda: not dim(user, "Doctor") and not dim(user, "Edit"))


async def test_f9_leaves_also_from_a_dialog(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("t")
        await until(user.pilot, lambda: isinstance(user.app.screen, SortDialog))
        await user.press("f9")
        await until(user.pilot, lambda: user.app._exit)
