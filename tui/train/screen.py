"""The Train room: the settings of a run, its live loss curve, its console.

Reads run folders in a thread; starts and stops runs through `core.runs`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Static

from core.base.errors import RunError, SuironError
from core.base.safe_text import safe_line
from core.base.sentences import with_full_stop
from core.runs import launch
from core.runs.advice import RunNumbers, advise
from core.runs.run_folder import RunFolder, list_training_runs
from core.runs.run_reader import RunReader
from core.runs.setting_texts import RUN_SETTINGS
from core.runs.spec import RunSpec
from core.runs.spec_fields import SESSION_KEYS, setting_values
from tui.actions import Scope, key_bindings, key_of
from tui.common.chart_widget import ChartWidget
from tui.common.run_settings import (
    PRESETS,
    base_spec,
    further_settings,
    preset_of,
    prompt_settings,
    run_words,
    session_spec,
)
from tui.messages import DataFailed, DataOpened, DataOpening, ModelChosen, RunsChanged
from tui.train.all_settings import (
    all_settings_dialog,
    own_settings_words,
    usual_settings,
)
from tui.train.console_tail import ConsoleTail
from tui.train.run_form import PresetChoice, RunForm
from tui.train.run_status import RunStatusPanel
from tui.train.steered_room import SteeredRoom

SHOWN_KEYS = frozenset(setting.key for setting in RUN_SETTINGS)


class TrainScreen(SteeredRoom):
    """Shows the newest run first. While another room is in front, nothing is read; the rest is read on return."""

    SCOPE: ClassVar[Scope] = "train"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("train")
    CSS_PATH = "screen.tcss"
    AUTO_FOCUS = "#preset"
    HORIZONTAL_BREAKPOINTS = [(0, "-small"), (76, "-narrow"), (100, "-wide")]  # noqa: RUF012 - Textual's own declaration is no ClassVar
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-short"), (32, "-tall")]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._position = ""
        self._starting = False
        self._shown: dict[str, str | int | float | bool] = {}  # the settings of the session that the form shows
        self._warmup = 0  # steps of the warm-up of the run shown
        self._own: dict[str, str] = {}  # the settings of the run shown
        self._form: dict[str, str] = {}  # those of the form
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
        spec, _ = session_spec(session, app.dataset)
        self.query_one(RunForm).about(session.data, session.model, note, run_words(spec))
        if (form := setting_values(spec)) != self._form:
            self._form = form
            self._draw()

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
        runs = await asyncio.to_thread(list_training_runs)
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
            self._samples_may_have_come()

    def _show_run(self, folder: RunFolder, runs: list[RunFolder]) -> None:
        """Follow `folder` from now on, from its first line."""
        position = next((index for index, run in enumerate(runs) if run.id == folder.id), 0)
        self._position = f"{position + 1} of {len(runs)}"
        self._reader = RunReader(folder)
        self._others = {}
        self._warmup, self._own = 0, {}
        with suppress(SuironError):  # the panel shows what is wrong with the run
            spec = folder.spec()
            self._warmup, self._own = spec.train.warmup_steps, setting_values(spec)
        self._wake.set()

    def show_run(self, run_id: str) -> None:
        """Follow the run `run_id` from now on."""
        self.run_worker(self._show_by_id(run_id), group="next", exclusive=True)

    async def _show_by_id(self, run_id: str) -> None:
        runs = await asyncio.to_thread(list_training_runs)
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
        own = own_settings_words(self._own, self._form)
        self.query_one(RunStatusPanel).show_run(reader, self._position, own)
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
            self._say(with_full_stop(f"Not started: {error.what}"), bad=True)
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
            runs = await asyncio.to_thread(list_training_runs)
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
        runs = await asyncio.to_thread(list_training_runs)
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

    def action_all_settings(self) -> None:
        dialog = all_settings_dialog(self.suiron.session, self.suiron.dataset)
        self.app.push_screen(dialog, self._settings_edited)

    def _settings_edited(self, texts: dict[str, str] | None) -> None:
        if texts is None:
            return
        usual = usual_settings(self.suiron.session, self.suiron.dataset)
        own = {key: text for key, text in texts.items() if key not in SESSION_KEYS and text != usual.get(key)}
        self.suiron.remember(train={"preset": preset_of(self.suiron.session), **own})
        self._fill_form()
        self._show_sources()

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


def _begin(spec: RunSpec) -> RunFolder:
    """Start the run. A model that cannot be found is reported at once and leaves no failed run behind."""
    from core.models.resolve import resolve_model

    resolve_model(spec.model.name)
    return launch.start_run(spec)
