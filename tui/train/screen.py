"""The Train room: the settings of a run, its live loss curve, its console.

Reads run folders in a thread; starts and stops runs through `core.runs`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from core.base.errors import RunError, SuironError
from core.base.safe_text import safe_line
from core.runs import launch
from core.runs.advice import RunNumbers, advise
from core.runs.plan import memory_line, plan_words, read_pace
from core.runs.run_curves import RunCurves
from core.runs.run_folder import RunFolder, list_runs
from core.runs.run_reader import RunReader, console_tail
from core.runs.run_summary import summarise_run
from core.runs.setting_texts import RUN_SETTINGS
from core.runs.spec import RunSpec
from core.runs.spec_checks import check_run_spec
from core.runs.spec_fields import SESSION_KEYS, setting_values, spec_fields, with_setting_values
from core.runs.status_file import FailureCause
from tui.actions import Scope, key_bindings, key_of
from tui.common.chart_widget import ChartWidget
from tui.common.room import Room
from tui.common.run_settings import (
    PRESETS,
    base_spec,
    further_settings,
    preset_of,
    preset_spec,
    prompt_settings,
    run_words,
    session_spec,
)
from tui.messages import DataFailed, DataOpened, DataOpening, ModelChosen, RunsChanged
from tui.train.console_dialog import ConsoleDialog
from tui.train.console_tail import ConsoleTail
from tui.train.run_form import PresetChoice, RunForm
from tui.train.run_status import RunStatusPanel
from tui.train.settings_dialog import SettingsDialog
from tui.train.steering_keys import LIVE_FIELDS, RunSteering, check_live, live_values

if TYPE_CHECKING:
    from core.data.dataset import DataSet

CONSOLE_LINES, CONSOLE_BYTES = 20_000, 2 << 20  # of a console that is searched
SHOWN_KEYS = frozenset(setting.key for setting in RUN_SETTINGS)
CONFIRM = 10.0  # seconds in which a second press of the same key confirms


class TrainScreen(Room):
    """Shows the newest run first. While another room is in front, nothing is read; the rest is read on return."""

    SCOPE: ClassVar[Scope] = "train"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("train")
    CSS_PATH = "screen.tcss"
    AUTO_FOCUS = "#preset"
    HORIZONTAL_BREAKPOINTS = [(0, "-small"), (76, "-narrow"), (100, "-wide")]  # noqa: RUF012 - Textual's own declaration is no ClassVar
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-short"), (32, "-tall")]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._reader: RunReader | None = None
        self._position = ""
        self._wake = asyncio.Event()
        self._asked = ""  # the action that waits for a second press
        self._question: Timer | None = None
        self._starting = False
        self._shown: dict[str, str | int | float | bool] = {}  # the settings of the session that the form shows
        self._steering = RunSteering()
        self._others: dict[str, RunCurves] = {}  # laid over the chart
        self._warmup = 0  # steps of the warm-up of the run shown
        self._active = False  # whether the run was in training when it was last drawn

    def compose_room(self) -> ComposeResult:
        with Container(id="train"):
            yield RunForm(id="form")
            with Vertical(id="run"):
                yield RunStatusPanel(id="status")
                yield ChartWidget(id="chart")
                yield Static(id="advice")
        yield ConsoleTail(id="console")

    def on_mount(self) -> None:
        self._fill_form()
        self._show_sources()
        self.run_worker(self._follow(), group="follow")

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        if self._shown != self.suiron.session.train:  # the prompts room has changed the mixture
            self._fill_form()
        self._show_sources()
        self._wake.set()

    # -- the form --

    def _fill_form(self) -> None:
        session = self.suiron.session
        preset = preset_of(session)
        base, _ = base_spec(session, preset)
        self._shown = dict(session.train)
        self.query_one(RunForm).fill(
            preset,
            base,
            {key: str(value) for key, value in session.train.items() if key in SHOWN_KEYS},
            bool(further_settings(session)),
        )

    def on_preset_choice_turned(self, message: PresetChoice.Turned) -> None:
        preset = PRESETS[(PRESETS.index(self.query_one(RunForm).preset) + message.by) % len(PRESETS)]
        self.suiron.remember(train={"preset": preset})
        self._fill_form()
        self._show_sources()

    def on_run_form_changed(self, message: RunForm.Changed) -> None:
        session = self.suiron.session
        kept = {**prompt_settings(session), **further_settings(session)}
        self._shown = {"preset": message.preset, **kept, **message.texts}
        self.suiron.remember(train=self._shown)
        self._show_sources()

    def _show_sources(self) -> None:
        session, app = self.suiron.session, self.suiron
        note = ""
        if app.data_error:
            note = "data could not be opened"
        elif app.dataset is None:
            note = "data is still opening"
        spec, _ = session_spec(session)
        self.query_one(RunForm).about(session.data, session.model, note, run_words(spec))

    def on_data_opening(self, message: DataOpening) -> None:
        self._show_sources()

    def on_data_opened(self, message: DataOpened) -> None:
        self._show_sources()

    def on_data_failed(self, message: DataFailed) -> None:
        self._show_sources()

    def on_model_chosen(self, message: ModelChosen) -> None:
        self._show_sources()

    # -- following a run --

    async def _follow(self) -> None:
        runs = await asyncio.to_thread(list_runs)
        if self._reader is None:
            if runs:
                self._show_run(runs[0], runs)
            else:
                self._draw()
        while True:
            # Never cancelled in the middle of a read: the reader keeps what it has read.
            reader = self._reader
            if reader is not None and self.is_current:
                has_changed = await asyncio.to_thread(reader.read_changes)
                if has_changed and reader is self._reader:
                    self._draw()
            await self._wake.wait()
            self._wake.clear()

    def on_runs_changed(self, message: RunsChanged) -> None:
        if self._reader is not None and self._reader.folder.id in message.ids:
            self._wake.set()

    def _show_run(self, folder: RunFolder, runs: list[RunFolder]) -> None:
        """Follow `folder` from now on, from its first line."""
        position = next((index for index, run in enumerate(runs) if run.id == folder.id), 0)
        self._position = f"{position + 1} of {len(runs)}"
        self._reader = RunReader(folder)
        self._others = {}
        try:
            self._warmup = folder.spec().train.warmup_steps
        except SuironError:
            self._warmup = 0  # the panel shows what is wrong with the run
        self._wake.set()

    def show_run(self, run_id: str) -> None:
        """Follow the run `run_id` from now on."""
        self.run_worker(self._show_by_id(run_id), group="next", exclusive=True)

    async def _show_by_id(self, run_id: str) -> None:
        runs = await asyncio.to_thread(list_runs)
        folder = next((run for run in runs if run.id == run_id), None)
        if folder is not None:
            self._say("")
            self.query_one(RunStatusPanel).show_own_trouble(None)
            self._show_run(folder, runs)

    def settings_cloned(self, run_id: str) -> None:
        """Say that the form holds the settings of this run now."""
        self._fill_form()
        self._show_sources()
        self._say_briefly(f"The settings are those of {safe_line(run_id, 60)}.")

    def _draw(self) -> None:
        reader = self._reader
        self.query_one(RunStatusPanel).show_run(reader, self._position)
        if reader is not None:
            if reader.status.ended and self._active:
                self._say("")  # a message about the run in training no longer holds
            self._active = not reader.status.ended
            self.query_one(ChartWidget).show(reader.curves, reader.status.total, reader.events, self._others)
            if answers := self._steering.answers(reader):
                self._say_briefly(answers)
            self._show_advice(reader)
            self.query_one(ConsoleTail).show_lines(reader.console)

    def _show_advice(self, reader: RunReader) -> None:
        advice = advise(RunNumbers(reader.curves, reader.events, reader.facts, self._warmup))
        line = self.query_one("#advice", Static)
        line.display = advice is not None
        line.update(Content.styled(advice.words if advice is not None else "", "$warning"))

    # -- actions --

    def action_start_run(self) -> None:
        form, app = self.query_one(RunForm), self.suiron
        if self._starting:
            return
        if app.data_error is not None:
            _, error = app.data_error
            self._fail(error)
            return
        if app.dataset is None:
            self._say(f"The data is still opening. Press {key_of('train.start_run')} again when it is ready.", bad=True)
            return
        base, trouble = base_spec(app.session, form.preset, app.dataset)
        if trouble is not None:
            self._fail(trouble)
            return
        form.rebase(base)
        try:
            spec = form.spec()
        except RunError as error:
            self._say(f"Not started: {error.what}.", bad=True)
            return
        reader = self._reader
        if reader is not None and not reader.status.ended and self._asked != "start":
            self._ask("start", f"A run is {reader.status.state}. {key_of('train.start_run')} again starts another one.")
            return
        self._starting = True
        self.query_one(RunStatusPanel).show_own_trouble(None)
        self._say("Starting…")
        self.run_worker(self._start(spec), group="start")

    async def _start(self, spec: RunSpec) -> None:
        try:
            folder = await asyncio.to_thread(_begin, spec)
            runs = await asyncio.to_thread(list_runs)
        except SuironError as error:
            self._fail(error)
        except OSError as error:
            self._fail(
                RunError(
                    f"the run cannot be started ({error.strerror or error})",
                    str(error.filename or ""),
                    "Free some disk space and try again",
                )
            )
        else:
            self._say("")
            self._show_run(folder, runs)
            self.suiron.look_at_runs()
        finally:
            self._starting = False

    def action_stop_run(self) -> None:
        reader = self._reader
        if reader is None or reader.status.ended:
            self._say_briefly("This run has ended." if reader is not None else "There is no run to stop.")
        elif self._asked != "stop":
            self._ask("stop", f"Press {key_of('train.stop_run')} again to stop this run.")
        else:
            self._say("Stop requested. The run stops after its current step and saves its adapter.")
            self.run_worker(self._request_stop(reader.folder), group="stop")

    async def _request_stop(self, folder: RunFolder) -> None:
        try:
            await asyncio.to_thread(folder.request, "stop")
        except OSError as error:
            what = f"the run could not be asked to stop ({error.strerror or error})"
            self._fail(RunError(what, str(folder.path), "Free some disk space, or end its process yourself"))

    def action_resume_run(self) -> None:
        reader = self._reader
        if reader is None:
            self._say_briefly("There is no run to go on with.")
        elif not self._starting:
            self._starting = True
            self.query_one(RunStatusPanel).show_own_trouble(None)
            self._say("Resuming…")
            self.run_worker(self._resume(reader.folder), group="start")

    async def _resume(self, folder: RunFolder) -> None:
        try:
            await asyncio.to_thread(launch.resume_run, folder)
        except SuironError as error:
            self._fail(error)
        else:
            self._say("")
            self._wake.set()
            self.suiron.look_at_runs()
        finally:
            self._starting = False

    def action_next_run(self) -> None:
        self.run_worker(self._next_run(), group="next", exclusive=True)

    async def _next_run(self) -> None:
        runs = await asyncio.to_thread(list_runs)
        if not runs:
            self._say_briefly("There are no runs yet.")
            return
        current = next(
            (index for index, run in enumerate(runs) if self._reader and run.id == self._reader.folder.id), -1
        )
        self._say("")
        self.query_one(RunStatusPanel).show_own_trouble(None)
        self._show_run(runs[(current + 1) % len(runs)], runs)

    def action_toggle_scale(self) -> None:
        self.query_one(ChartWidget).toggle_log()

    def action_next_chart(self) -> None:
        self.query_one(ChartWidget).next_kind()

    # -- steering --

    def _working(self) -> RunReader | None:
        """The run shown, where it can be asked for something; otherwise says why not."""
        reader = self._reader
        if reader is None or reader.status.ended:
            self._say_briefly("This run has ended." if reader is not None else "There is no run to steer.")
            return None
        return reader

    def action_steer(self, kind: str) -> None:
        reader = self._working()
        if reader is None:
            return
        if kind == "discard" and self._asked != "discard":
            key = key_of("train.discard_run")
            self._ask("discard", f"Press {key} again to stop this run and throw away what it has learnt.")
            return
        self._request(reader, kind)

    def action_scale_rate(self, factor: float) -> None:
        if reader := self._working():
            self._request(reader, "rate", factor)

    def _request(self, reader: RunReader, kind: str, value: object = None, key: str = "") -> None:
        self.run_worker(self._ask_run(reader, kind, value, key), group="steer")

    async def _ask_run(self, reader: RunReader, kind: str, value: object, key: str) -> None:
        try:
            words = await asyncio.to_thread(self._steering.ask, reader, kind, value, key)
        except RunError as error:
            self._say(f"{safe_line(error.what, 200)}. {safe_line(error.do, 100)}.", bad=True)
        else:
            self._say(words)
            self._wake.set()

    def action_change_running(self) -> None:
        if (reader := self._working()) is None:
            return
        try:
            now = live_values(reader)
        except RunError as error:
            self._fail(error)
            return
        dialog = SettingsDialog(
            "Change while it runs",
            LIVE_FIELDS,
            now,
            now,
            lambda texts: check_live(reader, texts, now),
            lambda texts: "What is changed here takes effect at the run's next step.",
            folded=False,
        )

        def changed(texts: dict[str, str] | None) -> None:
            for key, text in (texts or {}).items():
                if text != now.get(key):
                    self._request(reader, "set", text, key)

        self.app.push_screen(dialog, changed)

    # -- all settings, the console, other runs --

    def action_all_settings(self) -> None:
        session = self.suiron.session
        preset = preset_of(session)
        dataset = self.suiron.dataset
        usual_spec = preset_spec(session, preset)
        spec, _ = session_spec(session, dataset)
        usual = {**setting_values(usual_spec), **{key: setting_values(spec)[key] for key in SESSION_KEYS}}

        def check(texts: Mapping[str, str]) -> RunError | None:
            try:
                check_run_spec(with_setting_values(spec, texts))
            except RunError as error:
                return RunError(error.what, error.where or error.what.partition(" ")[0], error.do)
            return None

        def summary(texts: Mapping[str, str]) -> str:
            changed = with_setting_values(spec, texts)
            words = [] if dataset is None else [plan_words(changed, _rows_of(dataset, changed), read_pace(changed))]
            return " · ".join(filter(None, [*words, memory_line(changed)]))

        dialog = SettingsDialog(
            f"All settings: preset {preset}", spec_fields(), setting_values(spec), usual, check, summary, SESSION_KEYS
        )
        self.app.push_screen(dialog, lambda texts: self._settings_edited(preset, usual, texts))

    def _settings_edited(self, preset: str, usual: Mapping[str, str], texts: dict[str, str] | None) -> None:
        if texts is None:
            return
        own = {key: text for key, text in texts.items() if key not in SESSION_KEYS and text != usual.get(key)}
        self.suiron.remember(train={"preset": preset, **own})
        self._fill_form()
        self._show_sources()

    def action_search_console(self) -> None:
        if self._reader is None:
            self._say_briefly("There is no run yet.")
        else:
            self.run_worker(self._open_console(self._reader), group="console", exclusive=True)

    async def _open_console(self, reader: RunReader) -> None:
        try:
            lines = await asyncio.to_thread(console_tail, reader.folder.console, CONSOLE_LINES, CONSOLE_BYTES)
        except OSError:
            self._say_briefly("This run has written nothing to its console yet.")
        else:
            self.app.push_screen(ConsoleDialog(lines))

    def action_overlay_runs(self) -> None:
        if self._others:
            self._others = {}
            self._draw()
        elif self._reader is not None:
            self.run_worker(self._lay_over(self._reader), group="overlay", exclusive=True)

    async def _lay_over(self, reader: RunReader) -> None:
        """Lay the marked runs over the chart, else the training run before this one."""
        runs = await asyncio.to_thread(list_runs)
        marked = self.suiron.marked_runs
        chosen = [run for run in runs if run.id in marked and run.id != reader.folder.id]
        if not chosen:
            older = [run for run in runs if run.id < reader.folder.id and run.kind() == "train"]
            chosen = older[:1]
        if not chosen:
            self._say_briefly("There is no other run to lay over.")
            return
        others = {}
        for run in chosen:
            other = RunReader(run)
            await asyncio.to_thread(other.read_changes)
            summary = await asyncio.to_thread(summarise_run, run)
            name = summary.name or run.id
            others[f"{name} {run.id[-4:]}" if name in others else name] = other.curves
        self._others = others
        self._draw()

    def action_read_chart(self) -> None:
        """Give the chart the focus, with a cursor on its newest step; again gives it back."""
        chart = self.query_one(ChartWidget)
        if chart.has_focus:
            chart.action_leave_chart()
            return
        chart.place_cursor()
        chart.focus()

    def on_chart_widget_left(self, message: ChartWidget.Left) -> None:
        self.query_one(PresetChoice).focus()

    def action_field_by(self, by: int) -> None:
        self.query_one(RunForm).move(by)

    # -- messages --

    def _ask(self, action: str, text: str) -> None:
        """Show `text`. A second press of the key of `action` confirms, until another message is shown or `CONFIRM`
        seconds have passed."""
        self._say(text)
        self._asked = action
        self._question = self.set_timer(CONFIRM, partial(self._say, ""))

    def _say(self, text: str, bad: bool = False) -> None:
        self._asked = ""
        if self._question is not None:
            self._question.stop()
            self._question = None
        self.query_one(RunStatusPanel).notice(text, bad)

    def _say_briefly(self, text: str) -> None:
        """Show a message that only answers a key, for a while."""
        self._say(text)
        self._question = self.set_timer(CONFIRM, partial(self._say, ""))

    def _fail(self, error: SuironError) -> None:
        self._say("")
        self.query_one(RunStatusPanel).show_own_trouble(FailureCause(error.what, error.where, error.do))


def _rows_of(dataset: DataSet, spec: RunSpec) -> int:
    """The rows that a run of `spec` may train on. May read all rows."""
    flag = spec.data.train_flag
    if not flag or "sysflag" not in dataset.columns:
        return len(dataset)
    return dict(dataset.facets()["sysflag"]).get(flag, 0)


def _begin(spec: RunSpec) -> RunFolder:
    """Start the run. A model that cannot be found is reported at once and leaves no failed run behind."""
    from core.models.resolve import resolve_model

    resolve_model(spec.model.name)
    return launch.start_run(spec)
