"""Bulk changes and the progress of what takes long."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from core.base.errors import DataError
from tests.support.dialogs import HOSTILE, NARROW, SIZES, shown
from tests.support.rooms import until
from tui.common.field import Field
from tui.data.dialogs.bulk import BulkChange, BulkDialog, read_share
from tui.data.dialogs.progress_dialog import ProgressDialog, WorkProgress, WorkResult, progress_words

VALUES = {"syslang": [("English", 900), (HOSTILE, 100)], "sysflag": [("train", 990), ("", 5), ("test", 5)]}


@pytest.mark.parametrize("size", SIZES)
async def test_a_column_is_set_on_all_rows_shown(size: tuple[int, int]) -> None:
    async with shown(BulkDialog(120, 1000, VALUES), size) as person:
        await person.sees("the 120 rows shown, of 1,000", "Set sysflag", "Split into train and test", "u undoes")
        await person.press("enter")
        await person.sees("Enter empties sysflag on 120 rows; u undoes it", "train", "990")
        assert "(empty)" not in person.text
        await person.press(*"検証q")
        await person.sees("Enter sets sysflag to “検証q” on 120 rows; u undoes it.")
        await person.press("enter")
        assert await person.gives() == BulkChange("set", "sysflag", "検証q")


async def test_a_value_that_is_there_is_taken_from_the_list() -> None:
    async with shown(BulkDialog(120, 1000, VALUES)) as person:
        await person.press("down", "enter", "down", "down", "enter")
        await person.sees("[@click=app.quit]", "120 rows; u undoes")
        await person.press("enter")
        assert await person.gives() == BulkChange("set", "syslang", HOSTILE)


@pytest.mark.parametrize("size", SIZES)
async def test_a_split_shows_its_counts_before_it_is_made(size: tuple[int, int]) -> None:
    asked: list[tuple[float, int]] = []

    def preview(share: float, seed: int) -> tuple[int, int]:
        asked.append((share, seed))
        return 31, 89

    async with shown(BulkDialog(120, 120, {}, preview), size) as person:
        await person.sees("all 120 rows")
        await person.press("down", "down", "enter")
        await person.sees("31 rows test and 89 train")
        assert asked[-1] == (0.1, 3442)
        field = person.stage.screen.query_one("#first-field", Field)
        for wrong in ("", "x", "0", "100", "150%", "nan"):
            field.put(wrong)
            await person.sees("share of test rows as 10%")
            await person.press("enter")
            assert person.stage.open
        field.put("25")
        await person.press("tab", *"007")
        await person.sees("seed 7")
        assert asked[-1] == (0.25, 7)
        await person.press("enter")
        assert await person.gives() == BulkChange("split", share=0.25, seed=7)


async def test_dropping_says_how_many_and_waits_for_a_second_enter() -> None:
    async with shown(BulkDialog(1, 1000)) as person:
        await person.press(*["down"] * 4, "enter")
        await person.sees("Enter drops 1 row; u undoes it.")
        await person.press("escape")
        await person.sees("Set sysflag")
        await person.press("up", "enter")
        await person.sees("searches 1 row and moves")
        await person.press("enter")
        assert await person.gives() == BulkChange("extract")


def test_shares_are_read_as_a_person_writes_them() -> None:
    assert [read_share(text) for text in ("10%", "10", "0.1", " .5 ", "1", "99.5%")] == [
        0.1,
        0.1,
        0.1,
        0.5,
        0.01,
        0.995,
    ]
    assert [read_share(text) for text in ("0", "100%", "-1", "1e-2", "", "%", "１０")] == [None] * 7


async def test_quick_work_shows_no_dialog_and_gives_its_value() -> None:
    async with shown(ProgressDialog("Saving", lambda progress, cancelled: [1]), NARROW) as person:
        result = await person.gives()
        assert isinstance(result, WorkResult) and result.value == [1]


@pytest.mark.parametrize("size", SIZES)
async def test_escape_stops_the_work_and_the_dialog_waits_for_its_end(size: tuple[int, int]) -> None:
    go_on, seen = threading.Event(), threading.Event()

    def work(progress: WorkProgress, cancelled: Callable[[], bool]) -> None:
        progress(300, 1000, f"reading {HOSTILE}")
        while not cancelled():
            go_on.wait(0.01)
        seen.set()
        go_on.wait(20)
        progress(400, 1000)
        raise AssertionError("progress raises once it was cancelled")

    async with shown(ProgressDialog(f"Saving {HOSTILE}", work), size) as person:
        await person.sees("30%", "300 of 1,000 rows", "Saving [/] [@click=app.quit]", "Esc cancels", "reading [/]")
        await person.press("escape")
        await until(person.pilot, seen.is_set)
        await person.sees("Stopping …")
        assert person.stage.open
        go_on.set()
        assert await person.gives() is None


@pytest.mark.parametrize("size", SIZES)
async def test_work_that_fails_says_why_and_escape_closes(size: tuple[int, int]) -> None:
    def work(progress: WorkProgress, cancelled: Callable[[], bool]) -> None:
        raise DataError("the disk is full", f"/データ/{HOSTILE}.jsonl", "Free space; the old file is whole")

    async with shown(ProgressDialog("Saving", work), size) as person:
        await person.sees("Failed", "the disk is full", "Free space")
        await person.press("escape")
        assert await person.gives() is None


def test_progress_is_said_in_one_line() -> None:
    assert progress_words(0, 0, 61.5, "rows") == "1 min 01 s"
    assert progress_words(12, 0, 3.0, "rows") == "12 rows · 3 s"
    assert progress_words(500, 1000, 10.0, "rows").endswith(" 50%  500 of 1,000 rows · 10 s left")
    assert "100%" in progress_words(1000, 1000, 10.0, "rows")


async def test_without_an_exact_count_a_split_is_said_to_be_about_its_share() -> None:
    async with shown(BulkDialog(1319, 8792)) as person:
        await person.press("down", "down", "enter")
        await person.sees("about 132 of 1,319 rows test and 1,187 train")
