"""The data room from the user's hands, on real files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.row import Row
from core.session import Filters
from tests.support.rooms import row, until, write_rows
from tui.app import SuironApp
from tui.screens.data import DataScreen
from tui.screens.help import HelpScreen
from tui.screens.open_data import OpenDialog
from tui.screens.problems import ProblemsDialog
from tui.widgets.row_pane import FIRST, MORE, RowPane, row_content
from tui.widgets.rows_table import EMPTY, PAGE, RowsTable, fit

SIZES = [(80, 24), (120, 40)]


class Hands:
    """The room, and what a person sees of it."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app: SuironApp = pilot.app  # type: ignore[assignment]
        room = self.app.rooms["data"]
        assert isinstance(room, DataScreen)
        self.room = room
        self.table = room.query_one(RowsTable)
        self.pane = room.query_one(RowPane)

    def lines(self) -> list[str]:
        return [self.table.render_line(y).text for y in range(self.table.size.height)]

    def says(self, id: str) -> str:
        return str(self.room.query_one(id, Static).visual)

    @property
    def here(self) -> Row | None:
        return self.table.row_at(self.table.cursor)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def shown(self, count: int) -> None:
        await until(self.pilot, lambda: f"shown {count:,}" in self.says("#status"))

    async def on_row(self, index: int) -> None:
        await until(self.pilot, lambda: self.here is not None and self.here.index == index)


@asynccontextmanager
async def opened(source: str | Path | None, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Hands]:
    app = SuironApp(str(source) if source is not None else None)
    async with app.run_test(size=size) as pilot:
        hands = Hands(pilot)
        await until(pilot, lambda: (hands.says("#status") and (hands.table.size.width or not hands.table.display)) or app.data_error)
        yield hands


@pytest.mark.parametrize("size", SIZES)
async def test_rows_stand_in_columns_as_wide_as_the_table(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        lines = hands.lines()
        assert {cell_len(line) for line in lines} == {hands.table.size.width}
        assert all(word in lines[0] for word in ("#", "syslang", "sysflag", "instruction", "reasoning", "output"))
        assert "English" in lines[1] and "test" in lines[1] and "What is 0" in lines[1]
        assert EMPTY in lines[10] and EMPTY not in lines[9]  # row 9 has no reasoning
        assert "450 rows" in hands.says("#status") and "English 150" in hands.says("#status")


async def test_the_cursor_goes_everywhere_by_keys(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("down", "j", "k", "down")
        await hands.on_row(2)
        await hands.press("pagedown")
        await hands.on_row(2 + hands.table.size.height - 2)
        await hands.press("G")
        await hands.on_row(449)
        assert "450" in hands.lines()[-1]
        await hands.press("end", "down", "pagedown")
        await hands.on_row(449)
        await hands.press("g", "up", "pageup")
        await hands.on_row(0)


async def test_any_size_of_terminal_is_survived(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("enter", "G")
        for size in ((1, 1), (20, 5), (300, 90), (109, 24), (110, 24)):
            await hands.pilot.resize_terminal(*size)
            await hands.press("up", "enter", "slash", "escape")
        await hands.on_row(444)


async def test_moving_the_cursor_paints_two_lines(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(rows_file, (80, 24)) as hands:
        painted: list[Region] = []
        monkeypatch.setattr(hands.table, "refresh", lambda *regions, **_: painted.extend(regions or [hands.table.region]))
        await hands.press("down")
        assert [(region.y, region.height) for region in painted] == [(1, 1), (2, 1)]


@pytest.mark.parametrize("size", SIZES)
async def test_filters_go_round_and_clear(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        await hands.press("l")
        await hands.shown(150)
        first = hands.app.session.filters.syslang
        await hands.press("s")
        await hands.shown(120)
        assert f"syslang: {first}" in hands.says("#status") and "sysflag: train" in hands.says("#status")
        await hands.press("l", "l", "l")
        await hands.shown(360)
        await hands.press("x")
        await until(hands.pilot, lambda: "shown" not in hands.says("#status"))
        assert hands.app.session.filters == Filters()


async def test_a_row_is_kept_while_filters_allow_it_and_found_again(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press(*["down"] * 7)
        await hands.on_row(7)  # Japanese, train
        await hands.press("s")
        await hands.shown(360)
        await hands.on_row(7)
        await hands.press("slash", *"plus")  # the English rows alone: row 7 is not among them
        await hands.shown(120)
        assert hands.here is not None and hands.here.index != 7
        await hands.press("escape", "x")
        await until(hands.pilot, lambda: "shown" not in hands.says("#status"))
        await hands.on_row(7)


async def test_search_is_live_enter_keeps_and_escape_drops(rows_file: Path) -> None:
    async with opened(rows_file, (80, 24)) as hands:
        search = hands.room.query_one("#search", Input)
        assert not search.display and not search.cursor_blink
        await hands.press("slash", *"一を足")
        await hands.shown(150)
        await hands.press("enter")
        assert not search.display and hands.table.has_focus and "/一を足" in hands.says("#status")
        await hands.press("slash", *"lx")  # letters are text here, not actions
        assert search.value.endswith("lx")
        await hands.press("escape")
        await until(hands.pilot, lambda: "shown" not in hands.says("#status"))
        assert search.value == "" and not search.display


async def test_an_empty_selection_says_how_to_get_out(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("slash", *"no such words", "enter")
        await until(hands.pilot, lambda: hands.room.query_one("#notice").display)
        assert "No row passes" in hands.says("#notice") and "x shows all" in hands.says("#notice")
        await hands.press("down", "enter", "a", "v", "space")  # nothing to act on, nothing happens
        await hands.press("x")
        await until(hands.pilot, lambda: hands.table.display)
        assert hands.table.count == 450


@pytest.mark.parametrize(("size", "at_once"), zip(SIZES, (False, True), strict=True))
async def test_the_whole_row_stands_beside_or_below_and_follows(rows_file: Path, size: tuple[int, int], at_once: bool) -> None:
    async with opened(rows_file, size) as hands:
        assert hands.pane.display is at_once
        if not at_once:
            await hands.press("enter")
        beside = hands.pane.region.x > hands.table.region.x
        assert hands.pane.display and hands.table.display and beside is at_once
        await hands.press("down", "down", "down", "down")
        await until(hands.pilot, lambda: "row 4" in str(hands.pane.query_one(Static).visual))
        text = str(hands.pane.query_one(Static).visual)
        for word in ("instruction", "input", "note 4", "reasoning", "4 + 1 = 5.", "output", "syslang", "Japanese", "sysflag", "train"):
            assert word in text
        await hands.press("enter")
        assert not hands.pane.display


async def test_pages_beyond_the_first_arrive(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        assert hands.table.row_at(PAGE) is None
        await hands.press("G")
        await hands.on_row(449)
        await until(hands.pilot, lambda: not hands.table.missing())
        await until(hands.pilot, lambda: hands.app.session.row == 449)


async def test_the_wheel_and_clicks(rows_file: Path) -> None:
    async with opened(rows_file, (80, 24)) as hands:
        await hands.pilot.click(RowsTable, offset=(5, 4))
        await hands.on_row(3)
        await hands.pilot.click(RowsTable, offset=(5, 6), times=2)
        await until(hands.pilot, lambda: hands.pane.display)
        await hands.on_row(5)


async def test_a_megabyte_in_one_cell_is_shown_in_part_and_on_demand(tmp_path: Path) -> None:
    long = row(0) | {"output": "長" * 400_000}
    async with opened(write_rows(tmp_path / "long.jsonl", [long])) as hands:
        text = str(hands.pane.query_one(Static).visual)
        assert text.count("長") == FIRST and f"{400_000 - FIRST:,} more characters" in text
        await hands.press("v")
        await until(hands.pilot, lambda: str(hands.pane.query_one(Static).visual).count("長") == FIRST + MORE)


async def test_bad_rows_are_counted_named_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_text(json.dumps(row(0)) + "\n[1]\nno json [/] \x1b[31m\n" + json.dumps(row(1)) + "\n", encoding="utf-8")
    async with opened(path, (80, 24)) as hands:
        assert hands.table.count == 2
        assert "2 rows could not be read" in hands.says("#problems") and "row 2" in hands.says("#problems")
        await hands.press("p")
        dialog = hands.app.screen
        assert isinstance(dialog, ProblemsDialog)
        listed = str(dialog.query_one(Static).visual)
        assert "row 2" in listed and "row 3" in listed and "\x1b" not in listed
        await hands.press("escape")
        assert hands.app.screen is hands.room


async def test_what_cannot_be_opened_stands_on_the_screen_and_o_opens_another(rows_file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty[b].jsonl").write_text("", encoding="utf-8")
    async with opened(tmp_path / "empty[b].jsonl", (80, 24)) as hands:
        said = " ".join(hands.says("#notice").split())
        assert "he file is empty" in said and "empty[b].jsonl" in said and "o opens another" in said
        await hands.press("o")
        hands.app.screen.query_one("#source", Input).value = str(rows_file)
        await hands.press("enter")
        await until(hands.pilot, lambda: hands.table.display and hands.table.count == 450)
        assert hands.app.session.data == str(rows_file)


async def test_columns_the_source_lacks_take_no_room(tmp_path: Path) -> None:
    rows = [{"instruction": "add", "output": "1"}]
    async with opened(write_rows(tmp_path / "few.jsonl", rows)) as hands:
        header = hands.lines()[0]
        assert "instruction" in header and "output" in header
        assert not any(word in header for word in ("syslang", "sysflag", "reasoning", "input"))
        await hands.press("l")
        assert any("No row has a syslang" in told.message for told in hands.app._notifications)


async def test_help_lists_the_keys_of_the_room(rows_file: Path) -> None:
    async with opened(rows_file, (80, 24)) as hands:
        await hands.press("question_mark")
        assert isinstance(hands.app.screen, HelpScreen)
        text = " ".join(" ".join(str(static.visual) for static in hands.app.screen.query(Static)).split())
        assert "Only rows in which some column contains the text." in text
        await hands.press("q")  # closes the help, not the app
        assert hands.app.screen is hands.room and hands.app.is_running


async def test_the_place_is_found_again_on_the_next_start(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("s")
        await hands.shown(360)
        await hands.press(*["down"] * 5)
        assert hands.here is not None
        place = hands.here.index
    async with opened(None) as hands:
        await hands.shown(360)
        await hands.on_row(place)
        assert hands.app.session.filters.sysflag == "train"


def test_cells_are_cut_by_their_width_on_the_screen() -> None:
    assert fit("日本語の文", 6) == "日本… "
    assert cell_len(fit("立山" * 100, 17)) == 17
    assert fit("a\nb\x1b[31m", 8) == "a b␛[31m"
    assert fit("", 3) == "   "


def test_a_row_in_the_pane_is_text_and_never_markup() -> None:
    hostile = Row("[/] [@click=app.quit]x[/]", "\x1b]52;c;aGFja2Vk\x07", "x[/think]", "\x9b31m", "[b]", "\x90", 3)
    content = row_content(hostile, FIRST)
    assert "[@click=app.quit]x[/]" in content.plain and "x[/think]" in content.plain
    assert not set(content.plain) & {"\x1b", "\x07", "\x9b", "\x90"}
    assert not [span for span in content.spans if "click" in repr(span.style)]


@pytest.mark.parametrize("size", SIZES)
async def test_sources_that_do_not_open_leave_the_keys_and_the_way_back(rows_file: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        for name in ("missing.jsonl", "missing too.jsonl"):  # the second time nothing but the notice is there to have the focus
            await hands.press("o")
            await until(hands.pilot, lambda: isinstance(hands.app.screen, OpenDialog))
            field = hands.app.screen.query_one("#source", Input)
            assert field.value == str(rows_file) if name == "missing.jsonl" else field.value.endswith("missing.jsonl")
            field.value = str(tmp_path / name)
            await hands.press("enter")
            await until(hands.pilot, lambda name=name: hands.app.data_error is not None and hands.app.data_error[0].endswith(name))
        await until(hands.pilot, lambda: "Esc goes back to" in hands.says("#notice"))
        await hands.press("l", "s", "escape")
        await until(hands.pilot, lambda: "450 rows" in hands.says("#status"))
        assert hands.table.has_focus and hands.room.filters == Filters()


async def test_the_text_searched_for_stands_before_the_counts(rows_file: Path) -> None:
    async with opened(rows_file, (60, 15)) as hands:
        await hands.press("slash", *"plus", "enter")
        await hands.shown(150)
        assert "· /plus" in hands.says("#status")[:60]
