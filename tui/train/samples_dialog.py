"""Watch it learn: what the model of a run answers to its probe questions at each sample, and what changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.base.safe_text import safe_line
from core.runs.run_reader import RunReader
from core.runs.samples_file import RunSamples
from tui.actions import key_bindings, key_hints, key_of
from tui.common.dialog import Dialog
from tui.train.samples_lines import VIEWS, question_content

_VIEW_WORDS = {
    "first": "changes since the first",
    "before": "changes since the one before",
    "alone": "the answers alone",
}


class SamplesDialog(Dialog[None]):
    """Follows the newest sample until an earlier one is chosen. ask: asks the run to sample now; False where it has
    ended."""

    TITLE_WORDS = "Answers to the probe questions"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("samples")
    DEFAULT_CSS = """
    SamplesDialog > #box { width: 98%; max-width: 200; height: 94%; max-height: 94%; }
    SamplesDialog #questions { height: auto; }
    """

    def __init__(self, reader: RunReader, ask: Callable[[], bool]) -> None:
        super().__init__()
        self._reader, self._ask = reader, ask
        self._samples = RunSamples()
        self._step: int | None = None  # None: the newest
        self._view = VIEWS[0]
        self._asked = False
        self._shown_count = -1  # questions that have a widget
        self._drawing = asyncio.Lock()

    def compose_dialog(self) -> ComposeResult:
        yield Static(id="note", markup=False)
        yield Vertical(id="questions")

    def on_mount(self) -> None:
        hints = key_hints(
            ("steps", "samples.earlier_step", "samples.later_step"),
            ("view", "samples.next_view"),
            ("question", "samples.next_question"),
            ("asks now", "samples.ask_now"),
            ("closes", "samples.close"),
        )
        self.query_one("#box", VerticalScroll).border_subtitle = Content(hints)
        self.look()

    def look(self) -> None:
        """Read what has come."""
        self.run_worker(self._read(), group="read")

    async def _read(self) -> None:
        try:
            samples = await asyncio.to_thread(self._reader.folder.samples, self._samples)
        except OSError as error:
            self._note(f"The samples cannot be read: {safe_line(error.strerror or str(error))}.")
            return
        if samples.offset < self._samples.offset:
            return  # a later read was quicker
        if self._asked and len(samples.answers) > len(self._samples.answers):
            self._asked = False
        self._samples = samples
        await self._show()

    # -- what is shown --

    @property
    def step(self) -> int:
        """The step that is shown; 0 without any."""
        steps = self._samples.steps
        return self._step if self._step in steps else (steps[-1] if steps else 0)

    async def _show(self) -> None:
        async with self._drawing:
            await self._draw()

    async def _draw(self) -> None:
        samples, step = self._samples, self.step
        count = len(samples.questions)
        if count != self._shown_count:
            self._shown_count = count
            area = self.query_one("#questions", Vertical)
            await area.remove_children()
            await area.mount(*(Static(markup=False) for _ in samples.questions))
        widgets = self.query("#questions Static").results(Static)
        for number, (widget, question) in enumerate(zip(widgets, samples.questions, strict=True), 1):
            widget.update(question_content(samples, question, f"{number} of {count}", step, self._view))
        steps = samples.steps
        title = self.TITLE_WORDS
        if steps:
            place = f"sample {steps.index(step) + 1} of {len(steps)}"
            title = f"Answers at step {step:,} · {place} · {_VIEW_WORDS[self._view]}"
        self.query_one("#box").border_title = Content(title)
        self._note(self._note_words())

    def _note_words(self) -> str:
        if self._asked:
            return "Asked. The model answers at the end of its next step."
        if self._samples.steps:
            return ""
        if self._reader.status.ended:
            return "This run was asked nothing. Set samples.steps to let the next one answer while it learns."
        key = key_of("samples.ask_now")
        return f"No answers yet. {key} asks now; samples.steps, which can be changed, asks every so many steps."

    def _note(self, words: str) -> None:
        note = self.query_one("#note", Static)
        note.display = bool(words)
        note.update(words)

    # -- actions --

    async def action_step(self, by: int) -> None:
        steps = self._samples.steps
        if not steps:
            return
        place = min(max(steps.index(self.step) + by, 0), len(steps) - 1)
        self._step = None if place == len(steps) - 1 else steps[place]
        await self._show()

    async def action_next_view(self) -> None:
        self._view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        await self._show()

    def action_question(self, by: int) -> None:
        box = self.query_one("#box", VerticalScroll)
        tops = [widget.virtual_region.y for widget in self.query("#questions Static")]
        offset = self.query_one("#questions").virtual_region.y
        now = box.scroll_offset.y
        starts = [top + offset for top in tops]
        wanted = [at for at in starts if at > now] if by > 0 else [at for at in reversed(starts) if at < now]
        if wanted:
            box.scroll_to(y=wanted[0], animate=False)

    def action_ask_now(self) -> None:
        self._asked = self._ask()
        self._note(self._note_words() if self._asked else "This run has ended: its model can be asked in the chat.")
