"""The data room from the user's side, on real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.geometry import Region
from textual.widgets import Input, Static

from core.data.filters import RowFilters
from tests.support.data_room import SIZES, opened
from tests.support.rooms import row, until, write_rows
from tests.support.scripted_data import ScriptedData
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.column_names import ColumnNamesDialog
from tui.data.dialogs.open_data import OpenDialog
from tui.data.dialogs.problems import ProblemsDialog
from tui.data.row_pages import PAGE
from tui.data.widgets.rows_table import EMPTY, RowsTable
from tui.dialogs.help_dialog import HelpDialog


@pytest.mark.parametrize("size", SIZES)
async def test_rows_stand_in_columns_as_wide_as_the_table(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        lines = user.lines()
        assert {cell_len(line) for line in lines} == {user.table.size.width}
        assert all(word in lines[0] for word in ("#", "syslang", "sysflag", "instruction", "reasoning", "output"))
        assert "English" in lines[1] and "test" in lines[1] and "What is 0" in lines[1]
        assert EMPTY in lines[10] and EMPTY not in lines[9]  # row 9 has no reasoning
        await until(user.pilot, lambda: "450 rows" in user.reads("#status") and "English 150" in user.reads("#status"))


async def test_the_cursor_goes_everywhere_by_keys(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("down", "j", "k", "down")
        await user.until_on_row(2)
        await user.press("pagedown")
        await user.until_on_row(2 + user.table.size.height - 2)
        await user.press("G")
        await user.until_on_row(449)
        assert "450" in user.lines()[-1]
        await user.press("end", "down", "pagedown")
        await user.until_on_row(449)
        await user.press("g", "up", "pageup")
        await user.until_on_row(0)


async def test_any_size_of_terminal_is_survived(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("enter", "G")
        for size in ((1, 1), (20, 5), (300, 90), (109, 24), (110, 24)):
            await user.pilot.resize_terminal(*size)
            await user.press("up", "enter", "slash", "escape")
        await user.until_on_row(444)


async def test_moving_the_cursor_paints_two_lines(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(rows_file, (80, 24)) as user:
        painted: list[Region] = []
        monkeypatch.setattr(user.table, "refresh", lambda *regions, **_: painted.extend(regions or [user.table.region]))
        await user.press("down")
        assert [(region.y, region.height) for region in painted] == [(1, 1), (2, 1)]


@pytest.mark.parametrize("size", SIZES)
async def test_filters_go_round_and_clear(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        await user.press("l")
        await user.until_shown(150)
        first = user.app.session.filters.syslang
        await user.press("s")
        await user.until_shown(120)
        assert f"syslang: {first}" in user.reads("#status") and "sysflag: train" in user.reads("#status")
        await user.press("l", "l", "l")
        await user.until_shown(360)
        await user.press("x")
        await until(user.pilot, lambda: "shown" not in user.reads("#status"))
        assert user.app.session.filters == RowFilters()


async def test_a_row_is_kept_while_filters_allow_it_and_found_again(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press(*["down"] * 7)
        await user.until_on_row(7)  # Japanese, train
        await user.press("s")
        await user.until_shown(360)
        await user.until_on_row(7)
        await user.press("slash", *"plus")  # the English rows alone: row 7 is not among them
        await user.until_shown(120)
        assert user.row is not None and user.row.index != 7
        await user.press("escape", "x")
        await until(user.pilot, lambda: "shown" not in user.reads("#status"))
        await user.until_on_row(7)


async def test_search_is_live_enter_keeps_and_escape_drops(rows_file: Path) -> None:
    async with opened(rows_file, (80, 24)) as user:
        search = user.room.query_one("#search", Input)
        assert not user.room.search_bar.is_open and not search.cursor_blink
        await user.press("slash", *"一を足")
        await user.until_shown(150)
        await user.press("enter")
        assert not user.room.search_bar.is_open and user.table.has_focus and "/一を足" in user.reads("#status")
        await user.press("slash", *"lx")  # letters are text here, not actions
        assert search.value.endswith("lx")
        await user.press("escape")
        await until(user.pilot, lambda: "shown" not in user.reads("#status"))
        assert search.value == "" and not user.room.search_bar.is_open


async def test_an_empty_selection_says_how_to_get_out(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("slash", *"no such words", "enter")
        await until(user.pilot, lambda: user.room.query_one("#notice").display)
        assert "No row passes" in user.reads("#notice") and "x shows all" in user.reads("#notice")
        await user.press("down", "enter", "a", "d", "y", "f", "e", "space")  # nothing to act on, nothing happens
        await user.press("x")
        await until(user.pilot, lambda: user.table.display)
        assert user.table.row_count == 450


@pytest.mark.parametrize(("size", "at_once"), zip(SIZES, (False, True), strict=True))
async def test_the_whole_row_stands_beside_or_below_and_follows(
    rows_file: Path, size: tuple[int, int], at_once: bool
) -> None:
    async with opened(rows_file, size) as user:
        assert user.pane.display is at_once
        if not at_once:
            await user.press("enter")
        beside = user.pane.region.x > user.table.region.x
        assert user.pane.display and user.table.display and beside is at_once
        await user.press("down", "down", "down", "down")
        await until(user.pilot, lambda: "row 4" in user.pane.content)
        text = user.pane.content
        for word in (
            "instruction",
            "input",
            "note 4",
            "reasoning",
            "4 + 1 = 5.",
            "output",
            "syslang",
            "Japanese",
            "sysflag",
            "train",
        ):
            assert word in text
        await user.press("enter")
        assert not user.pane.display


async def test_pages_beyond_the_first_arrive(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        assert user.table.row_at(PAGE) is None
        await user.press("G")
        await user.until_on_row(449)
        await until(user.pilot, lambda: not user.table.missing_pages())
        await until(user.pilot, lambda: user.app.session.row == 449)


async def test_the_wheel_and_clicks(rows_file: Path) -> None:
    async with opened(rows_file, (80, 24)) as user:
        await user.pilot.click(RowsTable, offset=(5, 4))
        await user.until_on_row(3)
        await user.pilot.click(RowsTable, offset=(5, 6), times=2)
        await until(user.pilot, lambda: user.pane.display)
        await user.until_on_row(5)


async def test_bad_rows_are_counted_named_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_text(json.dumps(row(0)) + "\n[1]\nno json [/] \x1b[31m\n" + json.dumps(row(1)) + "\n", encoding="utf-8")
    async with opened(path, (80, 24)) as user:
        assert user.table.row_count == 2
        assert "2 rows could not be read" in user.reads("#message") and "row 2" in user.reads("#message")
        await user.press("p")
        dialog = user.app.screen
        assert isinstance(dialog, ProblemsDialog)
        listed = "\n".join(str(static.visual) for static in dialog.query(Static)) + user.app.export_screenshot()
        assert "row&#160;2" in listed and "row&#160;3" in listed and "\x1b" not in listed
        await user.press("escape")
        assert user.app.screen is user.room


async def test_what_cannot_be_opened_stands_on_the_screen_and_o_opens_another(rows_file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty[b].jsonl").write_text("", encoding="utf-8")
    async with opened(tmp_path / "empty[b].jsonl", (80, 24)) as user:
        said = " ".join(user.reads("#notice").split())
        assert "he file is empty" in said and "empty[b].jsonl" in said and "o opens another" in said
        await user.press("o")
        user.app.screen.query_one("#source", Input).value = str(rows_file)
        await user.press("enter")
        await until(user.pilot, lambda: user.table.display and user.table.row_count == 450)
        assert user.app.session.data == str(rows_file)


async def test_columns_the_source_lacks_take_no_room(tmp_path: Path) -> None:
    rows = [{"instruction": "add", "output": "1"}]
    async with opened(write_rows(tmp_path / "few.jsonl", rows)) as user:
        header = user.lines()[0]
        assert "instruction" in header and "output" in header
        assert not any(word in header for word in ("syslang", "sysflag", "reasoning", "input"))
        await user.press("l")
        await user.until_said("No row has a syslang")


async def test_help_lists_the_keys_of_the_room(rows_file: Path) -> None:
    async with opened(rows_file, (80, 24)) as user:
        await user.press("question_mark")
        assert isinstance(user.app.screen, HelpDialog)
        text = " ".join(" ".join(str(static.visual) for static in user.app.screen.query(Static)).split())
        assert "Show only rows that contain a text" in text
        await user.press("q")  # closes the help, not the app
        assert user.app.screen is user.room and user.app.is_running


async def test_the_place_is_found_again_on_the_next_start(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("s")
        await user.until_shown(360)
        await user.press(*["down"] * 5)
        assert user.row is not None
        place = user.row.index
    async with opened(None) as user:
        await user.until_shown(360)
        await user.until_on_row(place)
        assert user.app.session.filters.sysflag == "train"


def test_cells_are_cut_by_their_width_on_the_screen() -> None:
    assert fit_to_width("日本語の文", 6) == "日本… "
    assert cell_len(fit_to_width("立山" * 100, 17)) == 17
    assert fit_to_width("a\nb\x1b[31m", 8) == "a b␛[31m"
    assert fit_to_width("", 3) == "   "


@pytest.mark.parametrize("size", SIZES)
async def test_sources_that_do_not_open_leave_the_keys_and_the_way_back(
    rows_file: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with opened(rows_file, size) as user:
        for name in (
            "missing.jsonl",
            "missing too.jsonl",
        ):  # the second time nothing but the notice is there to have the focus
            await user.press("o")
            await until(user.pilot, lambda: isinstance(user.app.screen, OpenDialog))
            field = user.app.screen.query_one("#source", Input)
            assert field.value == str(rows_file) if name == "missing.jsonl" else field.value.endswith("missing.jsonl")
            field.value = str(tmp_path / name)
            await user.press("enter")
            await until(
                user.pilot,
                lambda name=name: user.app.data_error is not None and user.app.data_error[0].endswith(name),
            )
        await until(user.pilot, lambda: "Esc goes back to" in user.reads("#notice"))
        await user.press("l", "s", "escape")
        await until(user.pilot, lambda: "450 rows" in user.reads("#status"))
        assert user.table.has_focus and user.room.filters == RowFilters()


async def test_the_text_searched_for_stands_before_the_counts(rows_file: Path) -> None:
    async with opened(rows_file, (60, 15)) as user:
        await user.press("slash", *"plus", "enter")
        await user.until_shown(150)
        assert "· /plus" in user.reads("#status")[:60]


@pytest.mark.parametrize("size", SIZES)
async def test_after_a_failed_open_nothing_is_said_of_the_rows_before(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        await user.press("d")
        await user.until_said("deleted")
        user.app.open_data(str(rows_file.with_name("missing.jsonl")))
        await until(user.pilot, lambda: user.room.query_one("#notice").display and user.app.data_error is not None)
        await until(user.pilot, lambda: "missing.jsonl" in user.reads("#notice"))
        assert user.reads("#message") == "" and user.reads("#status") == ""
        await user.press("escape")
        await until(user.pilot, lambda: user.table.display and user.table.row_count == 449)
        await user.until_said("1 deleted")  # of the source that is open again


async def test_a_folder_with_splits_says_which_is_shown_and_o_offers_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "データ"
    folder.mkdir()
    for index, name in enumerate(("train", "test", "validation")):
        write_rows(folder / f"{name}.jsonl", [row(index) for _ in range(index + 1)])
    async with opened(folder) as user:
        await user.until_said("split train is shown; o chooses another: test or validation")
        await user.press("o")
        await until(user.pilot, lambda: isinstance(user.app.screen, OpenDialog) and user.app.screen._splits)
        await user.press("down", "enter")
        await user.until_said("split test is shown", "train or validation")
        assert user.app.session.split == "test" and user.table.row_count == 2


async def test_what_is_not_used_stands_in_the_last_line_and_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = ScriptedData("choices.jsonl", 30)
    data.not_used_words = "not used: choices (30 rows), 選択肢 (12), images (7); 4 rows have turns after the answer"
    monkeypatch.setattr("core.data.source.open_early", lambda source, split, mapping: data)
    async with opened("choices.jsonl", (80, 24)) as user:
        await user.until_said("not used: choices (30 rows), 選択肢 (12)", "p lists it")
        await until(user.pilot, lambda: user.room.query_one("#message").size.height == 2)  # all of it is seen
        await user.press("p")
        await until(user.pilot, lambda: isinstance(user.app.screen, ProblemsDialog))
        assert "4 rows have turns" in str(user.app.screen.query_one("#not-used", Static).visual)


async def test_a_table_without_names_is_opened_with_the_ones_that_are_typed(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_bytes(
        "".join(f"問題{n}:首都はどこですか,都市{n}を考えます。東京、東京です,東京です\r\n" for n in range(20)).encode(
            "cp932"
        )
    )
    async with opened(path, (80, 24)) as user:
        await until(user.pilot, lambda: user.app.data_error is not None)
        await until(user.pilot, lambda: "c names its columns" in user.app.export_screenshot().replace("&#160;", " "))
        await user.press("c")
        await until(user.pilot, lambda: isinstance(user.app.screen, ColumnNamesDialog))
        await user.press("enter")
        await until(user.pilot, lambda: user.app.dataset is not None)
        await user.until_on_row(0)
        assert user.row is not None and (user.row.instruction, user.row.output) == (
            "問題0:首都はどこですか",
            "東京です",
        )
        await user.until_said("read as CP932")
        await user.press("p")
        await until(user.pilot, lambda: isinstance(user.app.screen, ProblemsDialog))
    assert (tmp_path / "plain.csv.suiron" / "names.json").exists()


async def test_more_bad_rows_than_good_ones_are_said_so(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row(0)) + "\n" + "no json\n" * 3, encoding="utf-8")
    async with opened(path, (80, 24)) as user:
        await user.until_said("3 rows could not be read, only 1 could; p shows why")
