"""All rows at once: changed, saved, counted, checked; and the columns they are taken from. From the keys to the
rows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from core.data.filters import RowFilters
from core.data.source import open_data
from core.quality.report import DataSetStatistics, FindingGroup, LengthDistribution, QualityReport, pack_integers
from tests.support.data_room import SIZES, RoomUser, opened
from tests.support.rooms import row, until, write_rows
from tui.common.choices import Choices
from tui.data.dialogs.bulk import BulkDialog
from tui.data.dialogs.columns import ColumnsDialog
from tui.data.dialogs.doctor import DoctorDialog
from tui.data.dialogs.save_as import SaveDialog
from tui.data.dialogs.statistics import StatisticsDialog


async def dialog(user: RoomUser, kind: type[Any], *keys: str) -> Any:
    await user.press(*keys)
    await until(user.pilot, lambda: isinstance(user.app.screen, kind) and user.app.focused is not None, 30)
    return user.app.screen


@pytest.mark.parametrize("size", SIZES)
async def test_all_rows_shown_are_changed_at_once_and_undone(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        await user.press("slash", *"plus", "enter")
        await user.until_shown(150)
        await dialog(user, BulkDialog, "B")
        await user.press("enter", *"held-out", "enter")
        await user.until_said("sysflag set in 150 rows", "u undoes it")
        assert (
            user.row is not None
            and user.row.sysflag == "held-out"
            and "150 changed" in str(user.room.message_line.idle_content)
        )
        await user.press("u")
        await user.until_said("Undone")
        assert user.row is not None and user.row.sysflag in ("test", "train")
        await dialog(user, BulkDialog, "B")
        await user.press("down", "down", "down", "down", "enter", "enter")  # drop
        await user.until_said("150 rows dropped")
        await until(user.pilot, lambda: "No row passes" in user.reads("#notice"))
        await user.press("x")
        await until(user.pilot, lambda: user.table.row_count == 300)


async def test_rows_shown_are_saved_and_read_back_as_they_stand(rows_file: Path, tmp_path: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("slash", *"plus", "enter")
        await user.until_shown(150)
        saving = await dialog(user, SaveDialog, "S")
        assert saving.query_one("#source", Input).value.endswith("rows-edited.jsonl")
        saving.query_one("#source", Input).value = str(tmp_path / "some.csv")
        await user.press("enter")
        await user.until_said("150 rows saved to", "some.csv")
    back = open_data(str(tmp_path / "some.csv"))
    assert len(back) == 150 and all("plus" in back.row(index).instruction for index in range(150))


async def test_the_doctor_leads_to_its_rows_one_by_one(tmp_path: Path) -> None:
    rows = [row(index) for index in range(40)]
    rows[3]["output"] = rows[21]["output"] = rows[30]["output"] = ""
    async with opened(write_rows(tmp_path / "ill.jsonl", rows), (80, 24)) as user:
        await user.press("slash", *"plus", "enter")
        found = await dialog(user, DoctorDialog, "h")
        groups = found._report.groups
        place = next(number for number, group in enumerate(groups) if list(group.indices) == [3, 21, 30])
        found.query_one(Choices).move_to(place)
        await user.press("enter")
        await user.until_on_row(3)
        await user.until_said("finding 1 of 3", "row 3")
        assert user.pane.display and user.pane.field == "output"
        await user.press("right_square_bracket", "right_square_bracket")
        await user.until_on_row(30)
        await user.until_said("finding 3 of 3")
        await user.press("right_square_bracket")  # round to the first
        await user.until_on_row(3)
        await user.press("down", "down", "right_square_bracket", "left_square_bracket", "left_square_bracket")
        await user.until_said("finding 3 of 3", "row 30")
        assert user.app.session.filters in (RowFilters(), RowFilters(text="plus"))


async def test_what_the_doctor_can_fix_is_fixed_and_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(index) for index in range(12)]
    rows[5]["output"] = "<think>so it is</think>six"
    rows[5]["reasoning"] = ""
    group = FindingGroup("template_marker", "warning", "markers", "why", "do", pack_integers([5]), fix="move it out")
    monkeypatch.setattr(
        "core.quality.quality_job.run_quality_job", lambda *arguments: QualityReport("ill", "", "", 12, (group,))
    )
    async with opened(write_rows(tmp_path / "ill.jsonl", rows)) as user:
        await dialog(user, DoctorDialog, "h")
        await user.press("f5", "y")
        await user.until_said("markers: 1 row fixed")
        await user.until_on_row(5)
        assert user.row is not None and (user.row.reasoning, user.row.output) == ("so it is", "six")
        await user.press("u")
        await until(user.pilot, lambda: user.row is not None and user.row.output.startswith("<think>"))


async def test_rows_are_counted_with_the_maximum_of_the_train_room(
    rows_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def run(
        what: str, source: str, split: str, options: Any, told: object, cancelled: object, fingerprint: str
    ) -> DataSetStatistics:
        asked.append((what, source, options.model, options.max_length, fingerprint))
        return DataSetStatistics(
            source,
            split,
            fingerprint,
            450,
            (("English", "train", 450),),
            {},
            "characters",
            {},
            LengthDistribution(),
            LengthDistribution(),
            {},
        )

    monkeypatch.setattr("core.quality.quality_job.run_quality_job", run)
    async with opened(rows_file) as user:
        user.app.remember(train={"prompt.max_seq_length": "777"}, model="demo")
        shown = await dialog(user, StatisticsDialog, "i")
        assert shown._statistics.max_length == 777
        dataset = user.room.dataset
        assert dataset is not None and asked == [("statistics", str(rows_file), "demo", 777, dataset.fingerprint)]


async def test_the_columns_are_chosen_anew_and_kept(tmp_path: Path) -> None:
    records = [{"prompt": f"q{n}", "answer": f"a{n}", "other": f"o{n}", "sysflag": "train"} for n in range(5)]
    path = tmp_path / "odd.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    async with opened(path) as user:
        assert user.row is not None and user.row.output == "a0"
        await dialog(user, ColumnsDialog, "c")
        await user.press("down", "down", "down", "right", "enter")
        await until(user.pilot, lambda: user.row is not None and user.row.output != "a0")
        output = user.row.output
        await user.until_said("Saved for next time.")
    assert open_data(str(path)).row(0).output == output


async def test_what_is_unclear_about_the_columns_is_said(tmp_path: Path) -> None:
    record = {"question": "q", "deepseek_thinking_trajectory": "one", "gemini_thinking_trajectory": "two"}
    record |= {"deepseek_attempt": "1", "gemini_attempt": "2"}
    path = tmp_path / "two.jsonl"
    path.write_text((json.dumps(record) + "\n") * 3, encoding="utf-8")
    async with opened(path) as user:
        assert "could be taken from several columns; c chooses" in user.reads("#message")
        await user.press("o")
        await until(user.pilot, lambda: user.app.screen is not user.room)
        await user.press("enter")  # the same once more, now chosen by hand: it asks
        await until(user.pilot, lambda: isinstance(user.app.screen, ColumnsDialog), 30)


async def test_a_source_that_changes_or_vanishes_is_said(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.data.screen.CHECK_SOURCE_EVERY", 0.05)
    async with opened(rows_file) as user:
        await user.press("down")
        os.utime(rows_file, (1, 1))
        await until(user.pilot, lambda: "the source has changed" in user.reads("#message"))
        os.unlink(rows_file)
        await until(user.pilot, lambda: "rows.jsonl no longer exists" in user.reads("#message"))
        await user.press("down")
        await user.until_on_row(2)  # what was read stays readable
