"""The answers of a run to its probe questions, from the user's hands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from core.runs.events_file import append_event
from core.runs.samples_file import ProbeAnswer, ProbeQuestion, append_sample
from tests.support.rooms import until
from tests.tui.train.test_train_screen import Run, opened
from tui import follower


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "WORKING_PAUSE", 0.01)
    monkeypatch.setattr(follower, "QUIET_PAUSE", 0.01)


QUESTIONS = (
    ProbeQuestion(id="a", instruction="三に一を足すと？", row=17, source="kept out", expected="四です。"),
    ProbeQuestion(id="b", instruction="What is 3 + 1?", input="[bold]Think\x1b[2J", source="chosen"),
)


def answers(run: Run, step: int, texts: Sequence[tuple[str, str]]) -> None:
    for question, (reasoning, response) in zip(QUESTIONS, texts, strict=False):
        line = ProbeAnswer(
            step=step, question=question.id, reasoning=reasoning, response=response, finish="length", tokens=7
        )
        append_sample(run.folder.path, line)
    append_event(run.folder.path, "sampled", step, "2 probe questions answered")


@pytest.fixture
def run() -> Run:
    run = Run()
    for question in QUESTIONS:
        append_sample(run.folder.path, question)
    answers(run, 0, [("考えます。", "三です。"), ("Hm.", "It is five.")])
    answers(run, 25, [("三に一を足します。", "三です。"), ("Hm.", "It is five.")])
    return run


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_answers_and_what_changed_are_shown_step_by_step(
    rows_file: Path, run: Run, size: tuple[int, int]
) -> None:
    async with opened(rows_file, size) as hands:
        await hands.sees("training")
        await hands.press("D")
        await hands.sees("Answers at step 25 · sample 2 of 2 · changes since the first", "row 17, kept out")
        await hands.sees(
            "三に一を足すと？", "expected: 四です。", "changed since step 0", "7 tokens, cut at its longest"
        )
        await hands.sees("[-考え-]{+三に一を足し+}ます。", "三です。")
        await hands.press("left")
        await hands.sees("at step 0 · sample 1 of 2", "考えます。")
        assert "[-" not in hands.shown()
        await hands.press("left", "right", "v")
        await hands.sees("at step 25 · sample 2 of 2 · changes since the one before")
        await hands.press("v")
        await hands.sees("the answers alone", "三に一を足します。")
        await hands.press("tab")
        await hands.sees("a question of your own", "[bold]Think␛[2J")
        await hands.press("D")
        await until(hands.pilot, lambda: hands.app.screen is hands.room)


async def test_it_follows_a_run_and_asks_it(rows_file: Path, run: Run) -> None:
    async with opened(rows_file, (80, 24)) as hands:
        await hands.sees("training")
        await hands.press("D")
        await hands.sees("at step 25 · sample 2 of 2")
        await hands.press("enter")
        await hands.sees("Asked. The model answers at the end of its next step.")
        await until(hands.pilot, lambda: [request.kind for request in run.folder.requests()] == ["sample"])
        answers(run, 31, [("三に一を足すと四。", "四です。"), ("Hm.", "It is four.")])
        await hands.sees("at step 31 · sample 3 of 3", "[-三-]{+四+}です。")
        assert "Asked." not in hands.shown()
        await hands.press("left")
        await hands.sees("at step 25 · sample 2 of 3")
        answers(run, 40, [("", ""), ("", "")])
        await hands.sees("at step 25 · sample 2 of 4")  # an earlier step stays
        await hands.press("right", "right", "v", "v")
        await hands.sees("at step 40", "(none)")


async def test_a_run_that_was_asked_nothing_says_so(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("D")
        await hands.sees("There is no run yet.")
        run = Run()
        await hands.press("f8")
        await hands.sees("training")
        await hands.press("D")
        await hands.sees("No answers yet.", "asks now")
        await hands.press("escape")
        run.state("finished", 20)
        await hands.sees("finished")
        await hands.press("D")
        await hands.sees("Set samples.steps to let the next one answer while it learns.")
        await hands.press("enter")
        await hands.sees("its model can be asked in the chat")
        assert run.folder.requests() == []
