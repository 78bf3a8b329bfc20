"""The dialog that shows the progress of long work in a thread. Knows nothing of the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import ClassVar, Generic, Protocol, TypeVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from tui.actions import key_hints
from tui.common.choices import share_bar
from tui.common.readable_error import readable_error
from tui.data.dialogs.list_dialog import CLOSE_HINT, ListDialog

T = TypeVar("T")
SHOWN_AFTER = 0.2  # seconds: quicker work shows no dialog
EVERY = 0.1  # seconds between two drawings of the bar
GUESS_AFTER = 2.0  # seconds until the time left is estimated
BAR = 30  # cells


class WorkProgress(Protocol):
    """How the work reports: `done` of `total` units (0: not known), and the current stage in a few words."""

    def __call__(self, done: int, total: int, stage: str = "") -> None: ...


DialogWork = Callable[[WorkProgress, Callable[[], bool]], T]


class WorkResult(Generic[T]):
    """The result of the work."""

    def __init__(self, value: T) -> None:
        self.value = value


class ProgressDialog(ListDialog[WorkResult[T]], Generic[T]):
    """Returns a WorkResult; None where the work was cancelled, or failed and the user has read why.

    work(progress, cancelled) runs in a thread. It calls progress(done, total, stage) now and then (total 0: not known),
    which raises InterruptedError once the user has cancelled; cancelled() says the same without raising. The dialog
    closes when the work has ended, never before: no work continues unseen. words: what is being done, may be foreign;
    unit: what is counted; where: the subject of an error that names none.
    """

    KEY_WORDS = key_hints(("cancels", "dialog.close"))
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    ProgressDialog.-waiting { background: transparent; & > #box { display: none; } }
    ProgressDialog > #box { max-width: 76; padding: 1 2; }
    """
    TITLE_WORDS: ClassVar[str] = "Working"

    def __init__(self, words: str, work: DialogWork[T], unit: str = "rows", where: str = "") -> None:
        super().__init__(classes="-waiting")
        self._words, self._work, self._unit, self._where = safe_line(words, 200), work, unit, where
        self._stop = threading.Event()
        self._state = (0, 0, "")
        self._began = time.monotonic()
        self._ended = False
        self._shown = ("", "")

    def compose_dialog(self) -> ComposeResult:
        yield Static(Content(self._words), id="words")
        yield Static(id="bar", classes="one")
        yield Static(id="stage", classes="one hint")
        yield Static(classes="trouble")

    def on_mount(self) -> None:
        self._began = time.monotonic()
        self.set_timer(SHOWN_AFTER, self._appear)
        self.set_interval(EVERY, self._draw)
        self.run_worker(self._run, thread=True, group="work", exit_on_error=False)

    def on_unmount(self) -> None:
        self._stop.set()  # the app quits: work that nobody waits for must not keep the process alive

    def _appear(self) -> None:
        if not self._ended:
            self.remove_class("-waiting")
            self._draw()

    # -- in the thread --

    def _run(self) -> None:
        try:
            value = self._work(self._progress, self._stop.is_set)
        except InterruptedError:
            self.app.call_from_thread(self._finish, None)
        except Exception as error:  # whatever the work raises is shown, and the app keeps running
            if self._stop.is_set():
                self.app.call_from_thread(self._finish, None)
            else:
                self.app.call_from_thread(self._fail, readable_error(error, self._where))
        else:
            self.app.call_from_thread(self._finish, WorkResult(value))

    def _progress(self, done: int, total: int, stage: str = "") -> None:
        self._state = (done, total, stage)
        if self._stop.is_set():
            raise InterruptedError("the user cancelled it")

    # -- on the screen --

    def _finish(self, result: WorkResult[T] | None) -> None:
        self._ended = True
        self.dismiss(result)

    def _fail(self, error: SuironError) -> None:
        self._ended = True
        self.remove_class("-waiting")
        self.query_one("#bar").display = self.query_one("#stage").display = False
        self.title_words("Failed")
        self.trouble(str(error))
        self.keys(CLOSE_HINT)

    def _draw(self) -> None:
        if not self.has_class("-waiting") and not self._ended:
            done, total, stage = self._state
            words = progress_words(done, total, time.monotonic() - self._began, self._unit)
            if self._stop.is_set():
                words = "Stopping …"
            if (words, stage) != self._shown:
                self._shown = words, stage
                self.query_one("#bar", Static).update(Content(words), layout=False)
                self.query_one("#stage", Static).update(Content(safe_line(stage, 200)), layout=False)

    def action_close(self) -> None:
        if self._ended:
            self.dismiss(None)
        else:
            self._stop.set()
            self._draw()


def progress_words(done: int, total: int, seconds: float, unit: str) -> str:
    """One line: a bar with share and counts where the total is known, and the time elapsed or left."""
    if not total:
        counted = f"{done:,} {unit} · " if done else ""
        return f"{counted}{_time(seconds)}"
    share = min(1.0, done / total)
    words = f"{share_bar(share, BAR)} {share:4.0%}  {done:,} of {total:,} {unit}"
    if seconds >= GUESS_AFTER and 0 < share < 1:
        words += f" · {_time(seconds / share - seconds)} left"
    return words


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
