"""Steering a run, all its settings, its console and its advice, from the user's hands."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.runs.events_file import append_event
from core.runs.metrics_file import StepMetric
from core.runs.run_folder import RunFolder
from core.runs.spec import load_run_spec
from tests.support.rooms import until
from tests.support.run_folders import ended_run, spec_of
from tests.tui.train.test_train_screen import Hands, Run, Started, opened, started  # noqa: F401 - a fixture
from tui import follower


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "WORKING_PAUSE", 0.01)
    monkeypatch.setattr(follower, "QUIET_PAUSE", 0.01)


def asked(run: RunFolder) -> list[tuple[str, str, object]]:
    return [(request.kind, request.key, request.value) for request in run.requests()]


async def test_a_run_is_asked_by_keys_and_its_answer_is_shown(rows_file: Path) -> None:
    run = Run()
    run.steps(1, 3)
    async with opened(rows_file) as hands:
        await hands.sees("training")
        await hands.press("K")
        await hands.sees("Requested: save a checkpoint and go on.")
        (request,) = run.folder.requests()
        append_event(run.folder.path, "obeyed", 4, "a checkpoint of step 4 is saved", {"request": request.name})
        await hands.sees("Done at step 4: a checkpoint of step 4 is saved.")
        await hands.press("less_than_sign")
        await until(hands.pilot, lambda: ("rate", "", 0.5) in asked(run.folder))
        await hands.press("V")
        await hands.sees("no rows are kept out to evaluate on")
        await hands.press("Q")
        await hands.sees("Press Q again to stop this run and throw away what it has learnt.")
        assert not any(kind == "discard" for kind, _, _ in asked(run.folder))
        await hands.press("Q")
        await until(hands.pilot, lambda: ("discard", "", None) in asked(run.folder))
        run.state("discarded", 4)
        await hands.sees("discarded")
        await hands.press("P")
        await hands.sees("This run has ended.")


async def test_a_setting_of_a_running_run_is_changed(rows_file: Path) -> None:
    run = Run()
    async with opened(rows_file) as hands:
        await hands.sees("training")
        await hands.press("W")
        await hands.sees("Change while it runs", "save_steps", "max_grad_norm")
        await hands.press("enter", *"x")
        await hands.sees("must be a whole number")
        await hands.press("backspace", *"25", "enter", "escape")
        await until(hands.pilot, lambda: asked(run.folder) == [("set", "train.save_steps", 25)])


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_every_setting_is_there_and_what_is_typed_is_checked(
    rows_file: Path,
    size: tuple[int, int],
    started: Started,  # noqa: F811
) -> None:
    async with opened(rows_file, size) as hands:
        await hands.press("A")
        await hands.sees("All settings", "mixture", "more with z", "steps over")
        await hands.press("z")
        await hands.sees("train_flag")
        await hands.press("end", "enter", *"echo 終わり", "enter", "up")
        await hands.sees("echo 終わり", "report_to")
        await hands.press("enter", *"wandb2")
        await hands.sees("train.report_to must be of")
        await hands.press("escape", "escape")
        assert hands.app.session.train["train.on_end"] == "echo 終わり"
        await hands.sees("‹ seeds ›*")
        await hands.press("f5")
        await until(hands.pilot, lambda: started.specs)
    assert started.specs[0].train.on_end == "echo 終わり"


async def test_the_console_is_searched(rows_file: Path) -> None:
    run = Run()
    run.folder.console.write_text("".join(f"line {number} 行\n" for number in range(500)))
    async with opened(rows_file) as hands:
        await hands.sees("line 499 行")
        await hands.press("slash", *"line 7 ")
        await hands.sees("1 of 500 lines", "line 7 行")


async def test_advice_stands_under_the_chart_and_another_run_is_laid_over(rows_file: Path) -> None:
    ended_run(1, spec_of("before"))
    run = Run(total=90)
    for step in range(1, 80):
        run.folder.append_metric(StepMetric(step, float(step), 1.5 + (step % 5) / 100))
    async with opened(rows_file) as hands:
        await hands.sees("The loss hardly falls")
        await hands.press("U")
        await hands.sees("⠒B⠒ before")
        await hands.press("U")
        await until(hands.pilot, lambda: "⠒B⠒" not in hands.shown())
    assert load_run_spec(run.folder.path / "run.toml").name == "seeds"


async def test_nothing_to_steer(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        for key in ("P", "K", "W", "Q"):
            await hands.press(key)
            await hands.sees("There is no run to steer.")
        assert isinstance(hands, Hands)
