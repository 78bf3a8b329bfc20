"""Order, values, a row's number: the small dialogs of the data room, by keyboard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.dialogs import HOSTILE, SIZES, shown
from tests.support.rooms import until
from tests.support.scripted_data import ScriptedData, ScriptedSelection
from tui.common.choices import Choices, fit_end, share_bar
from tui.common.field import Field
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.facets import FacetsDialog
from tui.data.dialogs.goto_row import GotoDialog
from tui.data.dialogs.sort import SortDialog
from tui.data.row_numbers import OFFERED, NumberedRow, rows_near


@pytest.mark.parametrize("size", SIZES)
async def test_an_order_is_chosen_and_turned_round(size: tuple[int, int]) -> None:
    async with shown(SortDialog("length(reasoning)", True), size) as person:
        await person.sees("● reasoning", "now longest first", "as in the source", "sysflag")
        await person.press("enter")
        assert await person.gives() == ("length(reasoning)", False)
    async with shown(SortDialog("length(reasoning)", True), size) as person:
        await person.press("home", "down", "enter")
        assert await person.gives() == ("length", True)  # the longest are what one looks for
    async with shown(SortDialog("output", True, ("instruction", "output")), size) as person:
        assert "reasoning" not in person.text and "now Z to A" in person.text
        await person.press("home", "enter")
        assert await person.gives() == ("", False)
    async with shown(SortDialog(), size) as person:
        await person.press("end", "enter")
        assert await person.gives() == ("sysflag", False)


@pytest.mark.parametrize("size", SIZES)
async def test_every_value_stands_with_its_count_and_filters(size: tuple[int, int]) -> None:
    facets = {
        "syslang": [("English", 600), ("日本語", 300), (HOSTILE, 95), ("", 5)],
        "sysflag": [("train", 900), ("test", 100)],
    }
    async with shown(FacetsDialog(facets, {"syslang": "日本語"}, 1000), size) as person:
        await person.sees("English", "60.0%", "● 日本語", "(empty)", "[@click=app.quit]", "4 values", "train")
        await person.press("enter")
        assert await person.gives() == ("syslang", None)  # it is on: choosing it takes it off
    async with shown(FacetsDialog(facets, {"syslang": "日本語"}, 1000), size) as person:
        await person.press("tab", "down", "enter")
        assert await person.gives() == ("sysflag", "test")
    async with shown(FacetsDialog(facets, {}, 1000), size) as person:
        await person.press("down", "down", "down", "enter")
        assert await person.gives() == ("syslang", "")


async def test_ten_thousand_values_are_paged_and_none_is_said() -> None:
    values = [(f"value {index}", 10_000 - index) for index in range(10_000)]
    async with shown(FacetsDialog({"syslang": [], "sysflag": values}, {}, 50_000_000)) as person:
        await person.sees("no values", "10,000 values", "value 0")
        await person.press("end")
        await person.sees("value 9999")
        await person.press("q")
        assert await person.gives() is None


@pytest.mark.parametrize(
    ("typed", "row"),
    [
        ("0", 0),
        ("449", 449),
        ("1,2,3", 123),
        ("50%", 224),
        ("100%", 449),
        ("+10", 110),
        ("-5", 95),
        ("-500", 0),
        ("+9999", 449),
    ],
)
async def test_a_row_is_named_by_number_share_or_distance(typed: str, row: int) -> None:
    async with shown(GotoDialog(100, 449)) as person:
        await person.press(*typed, "enter")
        assert await person.gives() == row


@pytest.mark.parametrize("size", SIZES)
async def test_a_number_out_of_range_is_named_and_can_be_mended(size: tuple[int, int]) -> None:
    async with shown(GotoDialog(100, 449), size) as person:
        field = person.stage.screen.query_one(Field)
        assert not field.cursor_blink
        mistakes = {
            "450": "the numbers are 0 to 449",
            "x": "not the number",
            "": "Enter a number: 0 to 449.",
            "9" * 40: "not the number",
            "200%": "not the number",
        }
        for wrong, words in mistakes.items():
            field.put(wrong)
            await person.press("enter")
            await person.sees(words)
        await person.press("ctrl+u", *"12")
        assert "Enter a number" not in person.text
        await person.press("enter")
        assert await person.gives() == 12


@pytest.mark.parametrize("size", SIZES)
async def test_the_numbers_there_are_stand_below_and_are_chosen(size: tuple[int, int]) -> None:
    shown_rows = (3, 8, 13_000)

    def near(number: int) -> list[NumberedRow]:
        return [NumberedRow(index, f"質問 {HOSTILE} {index}") for index in shown_rows]

    goto = GotoDialog(8, 13_000, has_row=shown_rows.__contains__, read_near=near)
    async with shown(goto, size) as person:
        await person.sees("13,000", "質問", "▸ ")
        await person.press(*"5", "enter")
        await person.sees("Row 5 is not shown.")
        choices = person.stage.screen.query_one(Choices)
        await until(person.pilot, lambda: choices.has_focus and choices.cursor == 0)  # 3 is the nearest
        await person.press("up")
        await until(person.pilot, lambda: person.stage.screen.query_one(Field).has_focus)
        await person.press("down", "down", "down", "enter")
        assert await person.gives() == 13_000


@given(st.sets(st.integers(0, 60)), st.integers(-5, 70), st.booleans())
def test_the_nearest_of_the_rows_shown_are_offered(numbers: set[int], number: int, backwards: bool) -> None:
    data = ScriptedData("rows", 61)
    selection = ScriptedSelection(sorted(numbers, reverse=backwards))
    found = rows_near(data, selection, number)  # type: ignore[arg-type]
    here = [row.number for row in found if not row.is_hidden]
    assert here == sorted(here) and set(here) <= numbers and len(here) == min(len(numbers), OFFERED)
    left_out = [abs(index - number) for index in numbers - set(here)]
    assert not left_out or max(abs(index - number) for index in here) <= min(left_out)
    hidden = [row.number for row in found if row.is_hidden]
    assert hidden == ([number] if number not in numbers and 0 <= number <= 60 else [])


async def test_keys_typed_ahead_of_the_dialog_reach_it() -> None:
    async with shown(GotoDialog(0, 449)) as person:
        person.stage.simulate_key("4")
        person.stage.simulate_key("2")
        person.stage.simulate_key("enter")
        assert await person.gives() == 42


async def test_a_list_shows_its_cursor_without_colours_and_passes_headings_over() -> None:
    async with shown(SortDialog()) as person:
        choices = person.stage.screen.query_one(Choices)
        assert [line for line in person.lines if "▸" in line and "as in the source" in line]
        await person.press("down")
        await until(person.pilot, lambda: choices.cursor == 2)  # 1 is a heading
        assert [line for line in person.lines if "▸" in line and "the whole row" in line]
        await person.press("up", "up", "up")
        assert choices.cursor == 0


def test_lines_are_cut_by_their_width_on_the_screen() -> None:
    assert fit_to_width("日本語の文", 6) == "日本… "
    assert fit_end("/データ/推論.jsonl", 10) == "…論.jsonl "
    assert fit_end("a", 3) == "a  " and fit_to_width("a", 0) == ""
    assert (
        share_bar(0.5, 4) == "██  "
        and share_bar(0.0, 2) == "  "
        and share_bar(1e-9, 2) == "▏ "
        and share_bar(1.0, 2) == "██"
    )
