"""The part of the Train room that belongs to the run shown: asking it for something, its console, other runs over its
chart, and the messages about it."""

from __future__ import annotations

import asyncio
from functools import partial

from textual.timer import Timer

from core.base.errors import RunError, SuironError
from core.base.safe_text import safe_line
from core.runs.run_curves import RunCurves
from core.runs.run_reader import RunReader, console_tail
from core.runs.status_file import FailureCause
from tui.actions import key_of
from tui.common.room import Room
from tui.train.all_settings import live_settings_dialog
from tui.train.console_dialog import ConsoleDialog
from tui.train.other_runs import read_other_runs
from tui.train.run_status import RunStatusPanel
from tui.train.samples_dialog import SamplesDialog
from tui.train.steering_keys import RunSteering, live_values

CONFIRM = 10.0  # seconds in which a second press of the same key confirms
CONSOLE_LINES, CONSOLE_BYTES = 20_000, 2 << 20  # of a console that is searched


class SteeredRoom(Room):
    """Subclasses follow a run with `_reader`, and draw it."""

    def __init__(self) -> None:
        super().__init__()
        self._reader: RunReader | None = None
        self._wake = asyncio.Event()
        self._steering = RunSteering()
        self._others: dict[str, RunCurves] = {}  # laid over the chart
        self._samples: SamplesDialog | None = None  # while it is open
        self._asked = ""  # the action that waits for a second press
        self._question: Timer | None = None

    def _draw(self) -> None:
        raise NotImplementedError

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
        dialog = live_settings_dialog(reader, now)

        def changed(texts: dict[str, str] | None) -> None:
            for key, text in (texts or {}).items():
                if text != now.get(key):
                    self._request(reader, "set", text, key)

        self.app.push_screen(dialog, changed)

    # -- answers, the console, other runs --

    def action_show_samples(self) -> None:
        reader = self._reader
        if reader is None:
            self._say_briefly("There is no run yet.")
            return
        self._samples = SamplesDialog(reader, lambda: self._ask_sample(reader))
        self.app.push_screen(self._samples, lambda _: setattr(self, "_samples", None))

    def _ask_sample(self, reader: RunReader) -> bool:
        if reader.status.ended:
            return False
        self._request(reader, "sample")
        return True

    def _samples_may_have_come(self) -> None:
        if self._samples is not None:
            self._samples.look()

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
        others = await asyncio.to_thread(read_other_runs, reader.folder, self.suiron.marked_runs)
        if not others:
            self._say_briefly("There is no other run to lay over.")
        self._others = others
        self._draw()

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
