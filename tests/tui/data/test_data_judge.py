"""All rows at once: changed, saved, counted, checked; and the columns they are taken from. From the keys to the
rows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from core.data.filters import Filters
from core.data.source import open_data
from core.quality.report import Group, Lengths, Report, Statistics, pack
from tests.support.data_room import SIZES, Hands, opened
from tests.support.rooms import row, until, write_rows
from tui.common.choices import Choices
from tui.data.dialogs.bulk import BulkDialog
from tui.data.dialogs.columns import ColumnsDialog
from tui.data.dialogs.doctor import DoctorDialog
from tui.data.dialogs.save_as import SaveDialog
from tui.data.dialogs.statistics import StatisticsDialog


async def dialog(hands: Hands, kind: type[Any], *keys: str) -> Any:
    await hands.press(*keys)
    await until(hands.pilot, lambda: isinstance(hands.app.screen, kind) and hands.app.focused is not None, 30)
    return hands.app.screen


@pytest.mark.parametrize("size", SIZES)
async def test_all_rows_shown_are_changed_at_once_and_undone(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        await hands.press("slash", *"plus", "enter")
        await hands.shown(150)
        await dialog(hands, BulkDialog, "B")
        await hands.press("enter", *"held-out", "enter")
        await hands.says_so("sysflag set in 150 rows", "u undoes it")
        assert (
            hands.here is not None
            and hands.here.sysflag == "held-out"
            and "150 changed" in str(hands.room.message_line.idle_content)
        )
        await hands.press("u")
        await hands.says_so("Undone")
        assert hands.here is not None and hands.here.sysflag in ("test", "train")
        await dialog(hands, BulkDialog, "B")
        await hands.press("down", "down", "down", "down", "enter", "enter")  # drop
        await hands.says_so("150 rows dropped")
        await until(hands.pilot, lambda: "No row passes" in hands.says("#notice"))
        await hands.press("x")
        await until(hands.pilot, lambda: hands.table.row_count == 300)


async def test_rows_shown_are_saved_and_read_back_as_they_stand(rows_file: Path, tmp_path: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("slash", *"plus", "enter")
        await hands.shown(150)
        saving = await dialog(hands, SaveDialog, "S")
        assert saving.query_one("#source", Input).value.endswith("rows-edited.jsonl")
        saving.query_one("#source", Input).value = str(tmp_path / "some.csv")
        await hands.press("enter")
        await hands.says_so("150 rows saved in", "some.csv")
    back = open_data(str(tmp_path / "some.csv"))
    assert len(back) == 150 and all("plus" in back.row(index).instruction for index in range(150))


async def test_the_doctor_leads_to_its_rows_one_by_one(tmp_path: Path) -> None:
    rows = [row(index) for index in range(40)]
    rows[3]["output"] = rows[21]["output"] = rows[30]["output"] = ""
    async with opened(write_rows(tmp_path / "ill.jsonl", rows), (80, 24)) as hands:
        await hands.press("slash", *"plus", "enter")
        found = await dialog(hands, DoctorDialog, "h")
        groups = found._report.groups
        place = next(number for number, group in enumerate(groups) if list(group.indices) == [3, 21, 30])
        found.query_one(Choices).move_to(place)
        await hands.press("enter")
        await hands.on_row(3)
        await hands.says_so("finding 1 of 3", "row 3")
        assert hands.pane.display and hands.pane.field == "output"
        await hands.press("right_square_bracket", "right_square_bracket")
        await hands.on_row(30)
        await hands.says_so("finding 3 of 3")
        await hands.press("right_square_bracket")  # round to the first
        await hands.on_row(3)
        await hands.press("down", "down", "right_square_bracket", "left_square_bracket", "left_square_bracket")
        await hands.says_so("finding 3 of 3", "row 30")
        assert hands.app.session.filters in (Filters(), Filters(text="plus"))


async def test_what_the_doctor_can_mend_is_mended_and_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(index) for index in range(12)]
    rows[5]["output"] = "<think>so it is</think>six"
    rows[5]["reasoning"] = ""
    group = Group("template_marker", "warning", "markers", "why", "do", pack([5]), fix="move it out")
    monkeypatch.setattr("core.quality.client.run", lambda *arguments: Report("ill", "", "", 12, (group,)))
    async with opened(write_rows(tmp_path / "ill.jsonl", rows)) as hands:
        await dialog(hands, DoctorDialog, "h")
        await hands.press("f", "y")
        await hands.says_so("markers: 1 row fixed")
        await hands.on_row(5)
        assert hands.here is not None and (hands.here.reasoning, hands.here.output) == ("so it is", "six")
        await hands.press("u")
        await until(hands.pilot, lambda: hands.here is not None and hands.here.output.startswith("<think>"))


async def test_rows_are_counted_with_the_maximum_of_the_train_room(
    rows_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def run(
        what: str, source: str, split: str, options: Any, told: object, cancelled: object, fingerprint: str
    ) -> Statistics:
        asked.append((what, source, options.model, options.max_length, fingerprint))
        return Statistics(
            source,
            split,
            fingerprint,
            450,
            (("English", "train", 450),),
            {},
            "characters",
            {},
            Lengths(),
            Lengths(),
            {},
        )

    monkeypatch.setattr("core.quality.client.run", run)
    async with opened(rows_file) as hands:
        hands.app.remember(train={"prompt.max_seq_length": "777"}, model="demo")
        shown = await dialog(hands, StatisticsDialog, "i")
        assert shown._statistics.max_length == 777
        dataset = hands.room.dataset
        assert dataset is not None and asked == [("statistics", str(rows_file), "demo", 777, dataset.fingerprint)]


async def test_the_columns_are_chosen_anew_and_kept(tmp_path: Path) -> None:
    records = [{"prompt": f"q{n}", "answer": f"a{n}", "other": f"o{n}", "sysflag": "train"} for n in range(5)]
    path = tmp_path / "odd.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    async with opened(path) as hands:
        assert hands.here is not None and hands.here.output == "a0"
        await dialog(hands, ColumnsDialog, "c")
        await hands.press("down", "down", "down", "right", "enter")
        await until(hands.pilot, lambda: hands.here is not None and hands.here.output != "a0")
        output = hands.here.output
    assert open_data(str(path)).row(0).output == output


async def test_what_is_unclear_about_the_columns_is_said(tmp_path: Path) -> None:
    record = {"question": "q", "deepseek_thinking_trajectory": "one", "gemini_thinking_trajectory": "two"}
    record |= {"deepseek_attempt": "1", "gemini_attempt": "2"}
    path = tmp_path / "two.jsonl"
    path.write_text((json.dumps(record) + "\n") * 3, encoding="utf-8")
    async with opened(path) as hands:
        assert "could be taken from several columns; c chooses" in hands.says("#said")
        await hands.press("o")
        await until(hands.pilot, lambda: hands.app.screen is not hands.room)
        await hands.press("enter")  # the same once more, now chosen by hand: it asks
        await until(hands.pilot, lambda: isinstance(hands.app.screen, ColumnsDialog), 30)


async def test_a_source_that_changes_or_vanishes_is_said(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.data.screen.CHECK_SOURCE_EVERY", 0.05)
    async with opened(rows_file) as hands:
        await hands.press("down")
        os.utime(rows_file, (1, 1))
        await until(hands.pilot, lambda: "the source has changed" in hands.says("#said"))
        os.unlink(rows_file)
        await until(hands.pilot, lambda: "rows.jsonl no longer exists" in hands.says("#said"))
        await hands.press("down")
        await hands.on_row(2)  # what was read stays readable
