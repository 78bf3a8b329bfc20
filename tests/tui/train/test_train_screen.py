"""The train room from the user's hands, on run folders that the test writes as a run does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.base.errors import RunError
from core.demo.spec import demo_spec
from core.runs import launch
from core.runs.metrics_file import ResumedAt, StepMetric
from core.runs.presets import seeds_spec
from core.runs.run_folder import RunFolder, create_run_folder
from core.runs.setting_texts import setting_texts_of
from core.runs.spec import DataSection, ModelSection, RunSpec
from core.runs.status_file import FailureCause, RunState, RunStatus
from core.session import Session, load_session, save_session
from tests.support.rooms import until
from tui import follower
from tui.app import SuironApp
from tui.common.chart_widget import ChartWidget
from tui.train.run_form import RunForm, field_id
from tui.train.screen import TrainScreen

SIZES = [(80, 24), (120, 40)]


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "WORKING_PAUSE", 0.01)
    monkeypatch.setattr(follower, "QUIET_PAUSE", 0.01)


class Run:
    """A run's own side, by hand."""

    def __init__(self, name: str = "demo", total: int = 20) -> None:
        self.total = total
        spec = seeds_spec(DataSection(source="rows.jsonl"), ModelSection(name=name))
        self.folder: RunFolder = create_run_folder(spec)
        self.state("training")

    def state(self, state: RunState, step: int = 0, error: FailureCause | None = None, beat: float = 0.0) -> None:
        self.folder.write_status(
            RunStatus(
                state=state,
                step=step,
                total=self.total,
                pid=1,
                host="elsewhere",
                heartbeat=time.time() + beat,
                seconds_left=75.0,
                message="training on 2 cores",
                backend="Transformers + PEFT on CPU: no CUDA device",
                error=error,
                facts={"rows_trained": 504, "rows_vanilla": 67, "rows_reasoning": 437, "rows_left_out_too_long": 3},
            )
        )

    def write(self, block: bytes) -> None:
        with open(self.folder.path / "metrics.jsonl", "ab") as file:
            file.write(block)

    def steps(self, first: int, last: int) -> None:
        for step in range(first, last + 1):
            self.folder.append_metric(
                StepMetric(step, time.time(), 2.0 - step / 20, 1e-3, 0.5, 310.0, step * 512, 0.1, 2.1)
            )


class Hands:
    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app: SuironApp = pilot.app  # type: ignore[assignment]
        room = self.app.rooms["train"]
        assert isinstance(room, TrainScreen)
        self.room = room

    def shown(self) -> str:
        return "\n".join(strip.text.rstrip() for strip in self.app.screen._compositor.render_strips())

    async def sees(self, *words: str) -> None:
        # The chart and the fields stand beside each other; words that wrap are looked for one by one.
        await until(self.pilot, lambda: all(word in self.shown() for word in words))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    @property
    def steps(self) -> list[int]:
        return self.room._reader.curves.steps.tolist() if self.room._reader else []

    def field(self, key: str) -> Input:
        return self.room.query_one(f"#{field_id(key)}", Input)

    async def write(self, key: str, text: str) -> None:
        self.field(key).focus()
        await self.pilot.pause()
        self.field(key).select_all()
        await self.press(*text)
        await until(self.pilot, lambda: self.field(key).value == text)


@asynccontextmanager
async def opened(
    data: Path | None = None, size: tuple[int, int] = (120, 40), model: str = "demo"
) -> AsyncIterator[Hands]:
    if not load_session().train:
        save_session(Session(screen="train", data=str(data or "demo"), model=model))
    app = SuironApp()
    async with app.run_test(size=size) as pilot:
        hands = Hands(pilot)
        await until(pilot, lambda: (app.dataset or app.data_error) and hands.room.query_one(RunForm).preset)
        yield hands


class Started:
    """Stands in for the process: what was asked of it, and a run folder as it makes one."""

    def __init__(self) -> None:
        self.specs: list[RunSpec] = []
        self.error: RunError | None = None

    def __call__(self, spec: RunSpec) -> RunFolder:
        self.specs.append(spec)
        if self.error:
            raise self.error
        return Run().folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    fake = Started()
    monkeypatch.setattr(launch, "start_run", fake)
    return fake


# -- following --


@pytest.mark.parametrize("size", SIZES)
async def test_the_newest_run_is_shown_and_grows_as_it_is_written(rows_file: Path, size: tuple[int, int]) -> None:
    run = Run()
    run.steps(1, 5)
    run.folder.console.write_bytes("重み: 1%\r重み: 100%\nstep 5 done\n".encode())
    async with opened(rows_file, size) as hands:
        await hands.sees(
            "training", "step 5/20", "25 %", "1 min 15 s left", "loss 1.7500", "1.00e-03", "310 tok/s", "2.1 GiB"
        )
        await hands.sees("step 5 done", "3 left out: too long")
        await hands.sees(
            "Transformers + PEFT on CPU: no CUDA device", "504 rows", "67 vanilla (13%), 437", "重み: 100%"
        )
        assert "重み: 1%" not in hands.shown()
        run.steps(6, 20)
        run.state("finished", 20)
        await hands.sees("finished", "step 20/20", "100 %", "loss 1.0000", "moving average")
        assert hands.steps == list(range(1, 21))
        lines = hands.shown().split("\n")
        assert len(lines) == size[1]
        assert max(cell_len(line) for line in lines) <= size[0]


async def test_nothing_is_missed_while_another_room_is_in_front_or_the_app_is_away(rows_file: Path) -> None:
    run = Run()
    run.steps(1, 3)
    async with opened(rows_file) as hands:
        await until(hands.pilot, lambda: hands.steps == [1, 2, 3])
        await hands.press("f2")
        run.steps(4, 9)
        await hands.press("f3")
        await until(hands.pilot, lambda: hands.steps == list(range(1, 10)))
    run.steps(10, 15)
    async with opened(rows_file) as hands:
        run.steps(16, 17)
        await until(hands.pilot, lambda: hands.steps == list(range(1, 18)))


async def test_a_torn_line_is_never_shown(rows_file: Path) -> None:
    run = Run()
    run.steps(1, 2)
    async with opened(rows_file) as hands:
        await until(hands.pilot, lambda: hands.steps == [1, 2])
        run.write(b'{"step":3,"time":0,"lo')
        run.state("training", 2)
        await hands.pilot.pause(0.1)
        assert hands.steps == [1, 2]
        run.write(b'ss":1.0}\n')
        await until(hands.pilot, lambda: hands.steps == [1, 2, 3])


@pytest.mark.parametrize("size", SIZES)
async def test_a_failed_run_says_what_where_and_what_to_do(rows_file: Path, size: tuple[int, int]) -> None:
    run = Run()
    run.steps(1, 2)
    async with opened(rows_file, size) as hands:
        await hands.sees("step 2/20")
        run.state("failed", 2, FailureCause("the memory is full", "[/] \x1b[2J 行 7", "Halve batch size"))
        await hands.sees("failed", "The memory is full.", "[/] ␛[2J 行 7", "Halve batch size")
        assert hands.room.query_one("#chart").size.height >= 5


async def test_a_run_whose_process_is_gone_is_lost(rows_file: Path) -> None:
    run = Run()
    async with opened(rows_file) as hands:
        await hands.sees("training")
        run.state("training", 1, beat=-1000)
        await hands.sees("lost", "The training process is gone")


async def test_older_runs_are_one_key_away(rows_file: Path) -> None:
    first, second = sorted((Run(), Run()), key=lambda run: run.folder.id)
    first.steps(1, 1)
    second.steps(1, 2)
    async with opened(rows_file) as hands:
        await hands.sees(second.folder.id, "1 of 2")
        await hands.press("f8")
        await hands.sees(first.folder.id, "2 of 2", "step 1/20")
        await hands.press("f8")
        await hands.sees(second.folder.id, "step 2/20")


async def test_no_run_yet(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.sees("no run yet", "F5 starts one", "no loss logged yet")
        await hands.press("f8")
        await hands.sees("There are no runs yet.")
        await hands.press("f6")
        await hands.sees("There is no run to stop.")


# -- starting and stopping --


async def test_a_run_starts_with_the_settings_shown(
    rows_file: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rows_file.parent)
    async with opened(Path(rows_file.name)) as hands:
        await hands.write("train.steps", "60")
        await hands.write("train.seed", "7")
        await hands.press("f5")
        await hands.sees("step 0/20")
    (spec,) = started.specs
    assert spec.data.source == str(rows_file)
    assert (spec.model.name, spec.train.steps, spec.train.seed, spec.prompt.seed) == ("demo", 60, 7, 7)


async def test_the_demo_starts_with_the_preset_of_the_demo(started: Started) -> None:
    async with opened() as hands:
        await hands.sees("‹ demo ›")
        await hands.press("f5")
        await until(hands.pilot, lambda: started.specs)
    assert started.specs == [demo_spec()]


async def test_a_start_that_fails_is_told(rows_file: Path, started: Started) -> None:
    started.error = RunError("the run's folder cannot be made", "/somewhere", "Free some space")
    async with opened(rows_file) as hands:
        await hands.press("f5")
        await hands.sees("The run's folder cannot be made.", "/somewhere", "Free some space")
        started.error = None
        await hands.press("f5")
        await hands.sees("step 0/20")
        assert "Free some space" not in hands.shown()


async def test_a_model_that_is_not_there_starts_nothing(rows_file: Path, started: Started) -> None:
    async with opened(rows_file, model="/no/such/model") as hands:
        await hands.press("f5")
        await hands.sees("There is no such folder, and it is not a hub name.", "/no/such/model")
    assert started.specs == []


async def test_data_that_could_not_be_opened_starts_nothing(tmp_path: Path, started: Started) -> None:
    async with opened(tmp_path / "missing.jsonl") as hands:
        await hands.sees("data could not be opened")
        await hands.press("f5")
        await until(hands.pilot, lambda: hands.room.query_one("#trouble").display)
        hands.app.data_error = None
        await hands.press("f5")
        await hands.sees("The data is still opening")
    assert started.specs == []


async def test_a_second_run_beside_an_active_one_asks_first(rows_file: Path, started: Started) -> None:
    Run()
    async with opened(rows_file) as hands:
        await hands.sees("training")
        await hands.press("f5")
        await hands.sees("A run is training. F5 again starts another one.")
        await hands.press("f8")  # anything else takes the question back
        await until(hands.pilot, lambda: "F5 again" not in hands.shown())
        await hands.press("f5")
        await hands.sees("F5 again")
        assert started.specs == []
        await hands.press("f5")
        await until(hands.pilot, lambda: started.specs)


async def test_stopping_asks_first(rows_file: Path) -> None:
    run = Run()
    async with opened(rows_file) as hands:
        await hands.sees("training")
        await hands.press("f6")
        await hands.sees("Press F6 again to stop this run.")
        assert run.folder.requests() == []
        await hands.press("f6")
        await hands.sees("Stop requested")
        await until(hands.pilot, lambda: [asked.kind for asked in run.folder.requests()] == ["stop"])
        run.state("stopped", 3)
        await hands.sees("stopped")
        await until(hands.pilot, lambda: "Stop requested" not in hands.shown())


@pytest.mark.parametrize("size", SIZES)
async def test_a_paused_run_names_the_key_that_goes_on_with_it(
    rows_file: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run()
    run.steps(1, 6)
    run.state("paused", 6)
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "_start_process", lambda folder, *options: asked.append((folder.id, *options)))
    async with opened(rows_file, size) as hands:
        await hands.sees("paused", "C goes on")
        await hands.press("C")
        await until(hands.pilot, lambda: asked == [(run.folder.id,)])
        await hands.sees("starting")
        run.folder.append_metric(ResumedAt(4, time.time()))
        run.steps(5, 5)
        run.state("training", 5)
        await until(hands.pilot, lambda: hands.steps == [1, 2, 3, 4, 5])
        run.state("finished", 20)
        await hands.sees("finished")
        assert "C goes on" not in hands.shown()
        await hands.press("C")
        await hands.sees("The run has finished: there is nothing to go on with.")
        assert len(asked) == 1


# -- the form --


async def test_a_setting_out_of_range_is_named_and_starts_nothing(rows_file: Path, started: Started) -> None:
    async with opened(rows_file) as hands:
        await hands.write("train.batch_size", "0")
        await hands.sees("batch size must be at least 1.")
        hands.room.query_one("#preset").focus()
        await hands.press("f5")
        await hands.sees("Not started: batch size must be at least 1.")
        assert hands.field("train.batch_size").has_focus
        await hands.write("train.batch_size", "3")
        assert "batch size must" not in str(hands.room.query_one("#form-note").visual)  # type: ignore[attr-defined]
    assert started.specs == []


async def test_fields_are_walked_with_the_arrows_and_take_numbers_alone(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        assert hands.room.query_one("#preset").has_focus
        await hands.press("down")
        assert hands.field("train.steps").has_focus
        await hands.press("enter")
        assert hands.field("train.epochs").has_focus
        await hands.press("up", "up", "up")
        assert hands.field("train.save_steps").has_focus
        before = hands.field("train.save_steps").value
        await hands.press("z", "/")
        assert hands.field("train.save_steps").value == before


async def test_settings_and_preset_are_remembered(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.sees("‹ seeds ›")
        await hands.press("left")
        await hands.sees("‹ demo ›", setting_texts_of(demo_spec())["train.learning_rate"])
        await hands.write("train.steps", "33")
        await hands.sees("‹ demo ›*")
    async with opened(rows_file) as hands:
        await hands.sees("‹ demo ›*")
        assert hands.field("train.steps").value == "33"
        hands.room.query_one("#preset").focus()
        await hands.press("enter")
        await hands.sees("‹ seeds › ")
        assert hands.field("train.steps").value == "0"


async def test_the_scale_turns_while_a_field_has_the_focus(rows_file: Path) -> None:
    Run().steps(1, 9)
    async with opened(rows_file) as hands:
        await hands.sees("moving average")
        hands.field("train.steps").focus()
        await hands.press("Y")
        await hands.sees("log scale")


async def test_a_room_at_rest_draws_nothing(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run()
    run.steps(1, 9)
    run.state("finished", 9)
    drawn: list[Any] = []
    async with opened(rows_file) as hands:
        await hands.sees("finished", "moving average")
        await hands.pilot.pause(0.1)
        monkeypatch.setattr(hands.app, "_display", lambda screen, renderable: drawn.append(renderable))
        await hands.pilot.pause(0.3)
        assert [update for update in drawn if update is not None] == []


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40)])
async def test_the_form_says_what_a_setting_is_and_dims_what_does_not_count(
    rows_file: Path, size: tuple[int, int]
) -> None:
    async with opened(rows_file, size) as hands:
        note = hands.room.query_one("#form-note", Static)
        await until(hands.pilot, lambda: "model demo" in str(note.visual))
        await hands.press("down")
        await until(hands.pilot, lambda: "Optimizer steps" in str(note.visual))
        assert ("model demo" in str(note.visual)) == (size[1] == 40)
        await hands.write("train.steps", "9")
        assert hands.field("train.epochs").has_class("-unused")
        await hands.write("train.steps", "0")
        assert not hands.field("train.epochs").has_class("-unused")


async def test_a_low_terminal_keeps_the_curve_and_scrolls_the_settings(rows_file: Path) -> None:
    run = Run()
    run.steps(1, 9)
    async with opened(rows_file, (60, 15)) as hands:
        await until(hands.pilot, lambda: hands.room.query_one(ChartWidget).size.height >= 5)
        await hands.press("up")  # round to the last one
        last = hands.field("train.save_steps")
        await until(
            hands.pilot, lambda: last.has_focus and hands.room.query_one("#fields").region.contains_region(last.region)
        )
