"""The Runs room from the user's hands, on run folders that the test writes as runs leave them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from core.runs import launch
from core.runs.notes import change_notes, read_notes
from core.runs.run_folder import list_runs
from core.runs.trash import list_trash
from core.session import Session, save_session
from tests.support.rooms import until
from tests.support.run_folders import ended_run, spec_of
from tui.app import SuironApp
from tui.runs.run_list import SORTS, age_words, heading, listed_runs, run_line
from tui.runs.screen import RunsScreen

SIZES = [(80, 24), (120, 40)]


class Hands:
    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app: SuironApp = pilot.app  # type: ignore[assignment]

    def shown(self) -> str:
        return "\n".join(strip.text.rstrip() for strip in self.app.screen._compositor.render_strips())

    async def sees(self, *words: str) -> None:
        await until(self.pilot, lambda: all(word in self.shown() for word in words))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)


@asynccontextmanager
async def opened(size: tuple[int, int] = (120, 40), runs: int = 1) -> AsyncIterator[Hands]:
    save_session(Session(screen="runs"))
    app = SuironApp()
    async with app.run_test(size=size) as pilot:
        hands = Hands(pilot)
        room = app.rooms["runs"]
        assert isinstance(room, RunsScreen)
        await until(pilot, lambda: app.dataset is not None and len(room._listed) == runs)
        yield hands


@pytest.mark.parametrize("size", SIZES)
async def test_all_runs_are_listed_with_what_became_of_them(size: tuple[int, int]) -> None:
    ended_run(1, spec_of("first", r=8))
    two = ended_run(2, spec_of("長い推論の実験", r=32), evaluated=0.25)
    ended_run(3, spec_of("third", r=32), state="failed")
    change_notes(two.path, verdict="good", note="富士山 は安定")
    async with opened(size, 3) as hands:
        await hands.sees("3 runs", "failed", "長い推論の実験", "0.2500E", "+ good", "r 8→32", "the first run"[:9])
        await hands.press("down")
        await hands.sees("富士山 は安定", two.id)
        if size[1] == 40:
            await hands.sees("E evaluation")
        lines = hands.shown().split("\n")
        assert len(lines) == size[1] and max(cell_len(line) for line in lines) <= size[0]


async def test_no_run_yet() -> None:
    async with opened(runs=0) as hands:
        await hands.sees("There are no runs yet. F3 opens Train")
        await hands.press("enter", "space", "D", "d", "u", "N", "a", "C", "plus", "e")
        await hands.sees("Nothing was deleted here")


async def test_runs_are_filtered_and_sorted() -> None:
    ended_run(1, spec_of("careful", r=64), steps=40)
    ended_run(2, spec_of("quick"), evaluated=0.9)
    async with opened(runs=2) as hands:
        await hands.press("slash", *"64")
        await hands.sees("1 shown", "careful")
        assert "quick" not in hands.shown()
        await hands.press("enter", "x", "t")
        await hands.sees("sorted by loss")
        await until(hands.pilot, lambda: hands.shown().index("careful") < hands.shown().index("quick"))


async def test_a_run_is_named_judged_deleted_and_brought_back() -> None:
    run = ended_run(1)
    async with opened() as hands:
        await hands.press("plus")
        await hands.sees("+ good")
        await hands.press("e", *"loops", "enter")
        await until(hands.pilot, lambda: read_notes(run.path).note == "loops")
        await hands.press("plus")
        await until(hands.pilot, lambda: read_notes(run.path).verdict == "")
        await hands.press("d")
        await hands.sees("is in the trash. u brings it back.")
        assert [each.id for each in list_trash()] == [run.id] and not list_runs()
        await hands.press("u")
        await hands.sees("It is back.", "1 run")


async def test_marked_runs_are_compared() -> None:
    ended_run(1, spec_of("one", r=8))
    ended_run(2, spec_of("two", r=64))
    async with opened((80, 24), 2) as hands:
        await hands.press("D")
        await hands.sees("Mark another run with Space first.")
        await hands.press("space", "D")
        await hands.sees("Compare runs", "settings that differ", "lora.r", "64", "B two")
        await hands.press("v", "D")
        await hands.sees("1 marked")
        assert hands.app.marked_runs


async def test_settings_of_an_old_run_go_into_the_form_with_its_data_and_model() -> None:
    run = ended_run(1, spec_of("old", r=64, rate=3e-5))
    async with opened() as hands:
        await hands.press("N")
        await hands.sees("The settings are those of", run.id, "64", "3e-05")
        assert hands.app.session.train["lora.r"] == "64"


async def test_a_run_is_opened_in_train_asked_and_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = ended_run(1, state="paused"), ended_run(2)
    asked: list[Any] = []
    monkeypatch.setattr(launch, "_start_process", lambda folder, *options: asked.append(folder.id))
    async with opened(runs=2) as hands:
        await hands.press("a")
        await hands.sees("there is nothing to ask")
        await hands.press("C")
        await hands.sees("The run has finished")
        await hands.press("down", "enter")
        await hands.sees(old.id, "2 of 2", "paused")
        await hands.press("ctrl+l", "C")
        await until(hands.pilot, lambda: asked == [old.id])
        assert new.id not in asked


def test_lines_have_their_width_and_ages_their_words() -> None:
    from core.runs.run_summary import summarise_run

    run = summarise_run(ended_run(1, spec_of("名前" * 30)))
    for width in (60, 76, 116, 160):
        line = "".join(text for text, _ in run_line(run, "B", {run.id: "r 8→16" * 40}, width))
        assert cell_len(line) == width == cell_len(heading(width)) or width == 60
    assert [age_words(1000, 1000 + seconds) for seconds in (59, 3600, 200_000)] == ["0 min", "1 h", "2 d"]
    assert age_words(0, 9) == "" == age_words(9, 0)
    assert all(listed_runs([run], "", sort) == [run] for sort in SORTS)
