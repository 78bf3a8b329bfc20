"""Which rows are shown: the search line, the WHERE line, order, values, and what happens while a large source is still
on its way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from textual.widgets import Input, Label, Static

from core.base.errors import DataError
from core.data.filters import Filters
from tests.support.data_room import SIZES, Hands, opened
from tests.support.rooms import until
from tests.support.scripted_data import MILLION, ScriptedData, ScriptedSelection
from tui.common.key_bar import KeyBar
from tui.data.dialogs.facets import FacetsDialog
from tui.data.dialogs.goto_row import GotoDialog
from tui.data.dialogs.sort import SortDialog


def searched_in(hands: Hands) -> str:
    return str(hands.room.query_one("#search-in", Label).visual)


@pytest.mark.parametrize("size", SIZES)
async def test_tab_in_the_search_line_chooses_the_column(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        await hands.press("slash")
        assert "all columns" in searched_in(hands)
        await hands.press("tab", "tab", "tab", *"12")
        assert "reasoning" in searched_in(hands)
        await until(hands.pilot, lambda: hands.app.session.filters == Filters(text="12", columns=("reasoning",)))
        await hands.press("enter")
        await until(hands.pilot, lambda: "/12 in reasoning" in hands.says("#status"))
        assert hands.here is not None and "12" in hands.here.reasoning
        await hands.press("slash", "shift+tab", "shift+tab", "shift+tab", "enter")
        await until(hands.pilot, lambda: hands.app.session.filters == Filters(text="12"))
        await hands.press("slash", "escape")
        assert hands.app.session.filters == Filters()


@pytest.mark.parametrize("size", SIZES)
async def test_a_condition_in_sql_and_one_that_is_wrong(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        where = hands.room.query_one("#where", Input)
        await hands.press("w", *"output = '12'", "enter")
        await hands.shown(1)
        await until(hands.pilot, lambda: not hands.room.condition_bar.is_open and hands.table.has_focus)
        assert "where output = '12'" in hands.says("#status")
        await hands.press("w", "end", *" and nonsense", "enter")
        await until(hands.pilot, lambda: hands.room.query_one("#where-trouble", Static).display and where.has_focus)
        assert hands.room.condition_bar.is_open and where.value.endswith("nonsense")  # there to be mended
        assert "nonsense" in hands.says("#where-trouble") and hands.app.session.filters.where == "output = '12'"
        await hands.press(*["backspace"] * len(" and nonsense"), "enter")
        await until(hands.pilot, lambda: not hands.room.condition_bar.is_open)
        await hands.press("w", "up", "up")
        assert where.value == "output = '12'"  # those asked before come back
        await hands.press("down", "down", "down", "enter")
        await until(hands.pilot, lambda: "shown" not in hands.says("#status"))


async def test_where_and_search_do_not_stand_in_each_others_way(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("w", *"row < 90", "enter")
        await hands.shown(90)
        await hands.press("slash", *"plus", "enter")
        await hands.shown(30)
        await hands.press("l", "x")
        await until(
            hands.pilot, lambda: hands.app.session.filters == Filters() and "shown" not in hands.says("#status")
        )
        assert hands.room.query_one("#search", Input).value == ""


@pytest.mark.parametrize("size", SIZES)
async def test_rows_are_ordered_and_the_header_says_how(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        await hands.press("t")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, SortDialog))
        await hands.press("down", "enter")  # the length of the whole row, the longest first
        await until(
            hands.pilot, lambda: hands.app.session.filters.sort == "length" and "by length ▼" in hands.says("#status")
        )
        await until(hands.pilot, lambda: "▼#" in hands.lines()[0])
        assert hands.here is not None and len(hands.here.instruction) > 15
        await hands.press("x")
        await until(hands.pilot, lambda: "▼" not in hands.lines()[0])


async def test_a_value_is_chosen_from_all_there_are(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await until(hands.pilot, lambda: "English 150" in hands.says("#status"))
        await hands.press("F")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, FacetsDialog))
        await hands.press("enter")
        await hands.shown(150)
        assert hands.app.session.filters.syslang


async def test_a_row_is_gone_to_by_its_number(rows_file: Path) -> None:
    async with opened(rows_file, (80, 24)) as hands:
        await hands.press("J")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, GotoDialog))
        await hands.press(*"401", "enter")
        await hands.on_row(401)
        await hands.press("slash", *"plus", "enter")
        await hands.shown(150)
        await hands.press("J", *"1", "enter")
        await hands.says_so("Row 1 is not among the rows shown", "x shows all")


def scripted(
    monkeypatch: pytest.MonkeyPatch, early: ScriptedData, whole: ScriptedData, imported: threading.Event
) -> None:
    def complete(dataset: ScriptedData, progress: object) -> ScriptedData:
        progress(42, 100)  # type: ignore[operator]
        assert imported.wait(10)
        return whole

    monkeypatch.setattr("core.data.source.begin", lambda source, split, mapping: early)
    monkeypatch.setattr("core.data.source.complete", complete)


@pytest.mark.parametrize("size", SIZES)
async def test_a_large_source_is_paged_at_once_and_what_was_asked_waits(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    imported = threading.Event()
    early, whole = ScriptedData("big.jsonl", 999_000, ready=False, counted=False), ScriptedData("big.jsonl")
    whole.steps = [ScriptedSelection([7, 700_000])]
    whole.gate.release()
    scripted(monkeypatch, early, whole, imported)
    async with opened("big.jsonl", size) as hands:
        await until(hands.pilot, lambda: "importing 42%" in hands.says("#status"))
        assert "at least 999,000 rows" in hands.says("#status")
        await hands.press("G", "up")
        await hands.on_row(998_998)
        top = hands.table.scroll_offset.y
        await hands.press("l", "d")
        await hands.says_so("still being imported")
        await hands.press("slash", *"7", "enter")
        await until(hands.pilot, lambda: "search starts when it is done" in hands.says("#status"))
        assert hands.table.row_count == 999_000 and hands.table.scroll_offset.y == top
        imported.set()
        await hands.shown(2)  # the question is asked by itself
        assert whole.asked[-1].text == "7" and early.asked == [Filters()]


async def test_the_whole_takes_the_place_of_the_early_rows_and_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = threading.Event()
    early, whole = ScriptedData("big.jsonl", ready=False), ScriptedData("big.jsonl")
    scripted(monkeypatch, early, whole, imported)
    async with opened("big.jsonl", (80, 24)) as hands:
        await hands.press("enter", "tab", "pagedown", *["down"] * 3)
        row, top = hands.here, hands.table.scroll_offset.y
        imported.set()
        await until(
            hands.pilot, lambda: "importing" not in hands.says("#status") and "English" in hands.says("#status")
        )
        assert (
            hands.here == row
            and hands.table.scroll_offset.y == top
            and hands.pane.display
            and hands.pane.field == "input"
        )
        assert hands.table.row_count == MILLION


async def test_an_import_that_fails_is_said_and_another_source_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    early = ScriptedData("gone.jsonl", ready=False)

    def complete(dataset: ScriptedData, progress: object) -> ScriptedData:
        raise DataError("the file has vanished", "gone.jsonl", "Put it back")

    monkeypatch.setattr(
        "core.data.source.begin",
        lambda source, split, mapping: early if source == "gone.jsonl" else ScriptedData(source, 30),
    )
    monkeypatch.setattr("core.data.source.complete", complete)
    async with opened("gone.jsonl") as hands:
        await until(hands.pilot, lambda: "The file has vanished" in hands.says("#notice"))
        hands.app.open_data("other.jsonl")
        await until(hands.pilot, lambda: hands.table.display and hands.table.row_count == 30)


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
        "core.data.source.begin", lambda source, split, mapping: ScriptedData(source, 30, ready=source != "big.jsonl")
    )
    monkeypatch.setattr("core.data.source.complete", complete)
    async with opened("big.jsonl") as hands:
        await until(hands.pilot, going.is_set)
        hands.app.open_data("other.jsonl")
        await until(
            hands.pilot,
            lambda: ended.is_set() and hands.table.row_count == 30 and "importing" not in hands.says("#status"),
        )
        assert hands.app.session.data == "other.jsonl" and hands.app.data_error is None


async def test_a_search_shows_what_it_has_found_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ScriptedData("big.jsonl")
    data.steps = [
        ScriptedSelection([], 0.1),
        ScriptedSelection(range(12), 0.4),
        ScriptedSelection(range(300), 0.8),
        ScriptedSelection(range(450)),
    ]
    monkeypatch.setattr("core.data.source.begin", lambda source, split, mapping: data)
    async with opened("big.jsonl", (80, 24)) as hands:
        monkeypatch.setattr("tui.data.query_runner.SHOW_EVERY", 0.0)
        await hands.press("slash", *"7", "enter")
        data.gate.release()
        await until(hands.pilot, lambda: "0 so far, 10% searched" in hands.says("#status"))
        assert (
            hands.table.display and hands.table.row_count == MILLION
        )  # the rows before stay until there is one to show
        data.gate.release()
        await until(hands.pilot, lambda: "12 so far, 40% searched" in hands.says("#status"))
        assert hands.table.row_count == 12
        await hands.press("end")
        await hands.on_row(11)
        data.gate.release()
        await until(hands.pilot, lambda: hands.table.row_count == 300)
        await hands.on_row(11)
        await hands.press("end")
        await hands.on_row(299)
        data.gate.release()
        await hands.shown(450)
        await hands.on_row(299)


async def test_a_newer_question_ends_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ScriptedData("big.jsonl")
    data.steps = [ScriptedSelection(range(9))]
    monkeypatch.setattr("core.data.source.begin", lambda source, split, mapping: data)
    async with opened("big.jsonl") as hands:
        await hands.press("slash", *"one", "enter")
        await until(hands.pilot, lambda: data.asked[-1].text == "one")
        before = data.interrupted
        await hands.press("x")
        await until(hands.pilot, lambda: data.asked[-1] == Filters() and data.interrupted > before)
        data.gate.release()
        await until(hands.pilot, lambda: "shown" not in hands.says("#status") and hands.table.row_count == MILLION)
        assert hands.app.data_error is None and hands.table.display


async def test_what_is_written_while_a_condition_is_asked_is_kept(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("w", *"length(output) >", "enter", "enter", *" 1000")
        await until(hands.pilot, lambda: bool(hands.room.query_one("#where-trouble").display))
        assert hands.room.query_one("#where", Input).value == "length(output) > 1000"
        await hands.press("enter")
        await until(hands.pilot, lambda: not hands.room.condition_bar.is_open and hands.table.row_count == 0)


async def test_a_chosen_order_begins_at_its_first_row(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("G")
        await hands.press("t", "down", "enter")
        await until(
            hands.pilot,
            lambda: hands.app.screen is hands.room and bool(hands.room.filters.sort) and hands.table.cursor == 0,
        )


async def test_the_last_row_asked_for_before_the_count_is_the_true_last(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = threading.Event()
    early, whole = ScriptedData("big.jsonl", 999_000, ready=False, counted=False), ScriptedData("big.jsonl")
    scripted(monkeypatch, early, whole, imported)
    async with opened("big.jsonl") as hands:
        await hands.press("G")
        await hands.on_row(998_999)
        await hands.says_so("moves on to the true last row")
        imported.set()
        await hands.on_row(999_999)


async def test_keys_that_wait_for_the_import_are_dim(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = threading.Event()
    early, whole = ScriptedData("big.jsonl", ready=False), ScriptedData("big.jsonl")
    scripted(monkeypatch, early, whole, imported)

    def dim(hands: Hands, words: str) -> bool:
        content = hands.room.query_one(KeyBar).render()
        return any("dim" in str(span.style) for span in content.spans if words in content.plain[span.start : span.end])

    async with opened("big.jsonl") as hands:
        await until(hands.pilot, lambda: dim(hands, "Doctor") and dim(hands, "Edit") and not dim(hands, "Search"))
        imported.set()
        await until(hands.pilot, lambda: not dim(hands, "Doctor") and not dim(hands, "Edit"))


async def test_f9_leaves_also_from_a_dialog(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("t")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, SortDialog))
        await hands.press("f9")
        await until(hands.pilot, lambda: hands.app._exit)
